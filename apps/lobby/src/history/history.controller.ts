import { Controller, Delete, Get, Query } from '@nestjs/common';
import { type z } from 'zod';
import { AuditTrail } from '#audit';
import {
  historyClearQuery,
  historyCleared,
  historyPage,
  historyQuery,
  uuid,
  type HistoryCleared,
  type HistoryMessage,
  type HistoryPage,
  type HistoryQuery,
} from '#contracts';
import { ServiceError } from '#errors';
import { Authenticated, Call, Endpoint, type CallContext } from '#http';
import { type HistoryEntry } from './history.entity.js';
import { HistoryRepository, type Position } from './history.repository.js';
import { HistoryScope, type Scope } from './history-scope.js';

@Authenticated()
@Controller('v1/history')
export class HistoryController {
  constructor(
    private readonly history: HistoryRepository,
    private readonly scope: HistoryScope,
    private readonly trail: AuditTrail,
  ) {}

  @Get()
  @Endpoint({
    summary: 'What was said, newest first',
    description:
      "An agent reads its own history; another ghost's needs `read` on `history/<ghost>`. A service reads all, or one ghost's. " +
      '`before` takes a time or the id of a message; `next_before` of one page is the `before` of the next.',
    response: historyPage,
    errors: {
      400: 'A filter is not valid, or `before` names no message of this history',
      401: 'No valid token',
      403: "Another ghost's history",
      503: 'The gatekeeper does not answer',
    },
  })
  async find(@Query({ schema: historyQuery }) query: HistoryQuery, @Call() call: CallContext): Promise<HistoryPage> {
    const scope = await this.scope.of(call, 'read', query.ghost_id);
    const before = await this.positionOf(query.before, scope);
    // One more than asked for tells whether there is a next page.
    const entries = await this.history.find(scope, before, query.limit + 1);
    const page = entries.slice(0, query.limit);
    return {
      history: page.map(toMessage),
      count: page.length,
      next_before: entries.length > page.length ? page.at(-1)!.id : null,
    };
  }

  @Delete()
  @Endpoint({
    summary: 'Forget what was said',
    description:
      "An agent clears its own history; another ghost's needs `write` on `history/<ghost>`. A service names the ghost. " +
      'Audited: what cannot be recorded does not happen.',
    response: historyCleared,
    errors: {
      400: 'A service did not name the ghost',
      401: 'No valid token',
      403: "Another ghost's history",
      503: 'The gatekeeper does not answer, or the audit trail takes no events (`audit_unavailable`); nothing was deleted',
    },
  })
  async clear(
    @Query({ schema: historyClearQuery }) query: z.output<typeof historyClearQuery>,
    @Call() call: CallContext,
  ): Promise<HistoryCleared> {
    const { ghostId, tenantId } = await this.scope.of(call, 'write', query.ghost_id);
    if (ghostId === null)
      throw new ServiceError('invalid', 'invalid_request', 'ghost_id: is required of services', {
        extensions: { param: 'ghost_id' },
      });
    const { principal, requestId } = call;
    const deleted = await this.history.clear({ ghostId, tenantId }, (count) =>
      this.trail.record({
        ...(tenantId !== null && { tenant_id: tenantId }),
        ghost_id: principal.kind === 'agent' ? principal.ghostId : null,
        action: 'history.clear',
        resource: `history/${ghostId}`,
        result: 'SUCCEEDED',
        reason: `${count} messages deleted`,
        request_id: requestId,
        entities: [{ kind: 'ghost', id: ghostId }],
        metadata: { deleted: count, ...(principal.kind === 'service' && { caller: principal.service }) },
      }),
    );
    return { deleted };
  }

  private async positionOf(before: string | undefined, scope: Scope): Promise<Position | undefined> {
    if (before === undefined) return undefined;
    if (!uuid.safeParse(before).success) return { createdAt: new Date(before), id: null };
    const position = await this.history.positionOf(before, scope);
    if (position) return position;
    throw new ServiceError('invalid', 'invalid_request', 'before: names no message of this history', {
      extensions: { param: 'before' },
    });
  }
}

function toMessage(entry: HistoryEntry): HistoryMessage {
  const { id, ghostId, role, content, model, sessionId, requestId, createdAt, status, truncated } = entry;
  return {
    id,
    ghost_id: ghostId,
    role,
    content,
    model,
    session_id: sessionId,
    request_id: requestId,
    created_at: createdAt.toISOString(),
    status,
    truncated,
  };
}
