import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { type z } from 'zod';
import { AuditLogger } from '#audit';
import { settleWithin } from '#batching';
import {
  auditEvent,
  auditPage,
  auditQuery,
  auditStats,
  auditTenant,
  DEFAULT_TENANT,
  ingestRequest,
  ingestResponse,
  uuid,
  type AuditEvent,
  type AuditPage,
  type AuditQuery,
  type AuditStats,
  type IngestResponse,
} from '#contracts';
import { ServiceError } from '#errors';
import { Call, Endpoint, Requires, ServiceOnly, type CallContext } from '#http';
import { AuditIngest } from './audit-ingest.js';
import { AuditSearch } from './audit-search.js';

const READS = { 401: 'No valid token', 403: 'The agent may not read audit/events' };
/** How long a read waits for this instance's own latest events to be on disk, so that who wrote can read. */
const OWN_WRITES_MS = 1000;

@Controller('v1/audit')
export class AuditController {
  constructor(
    private readonly search: AuditSearch,
    private readonly incoming: AuditIngest,
    private readonly logger: AuditLogger,
  ) {}

  @Post('events')
  @ServiceOnly()
  @Endpoint({
    summary: "Take another service's audit events",
    description:
      'Answered once they are durable. Ids that are there already are counted as duplicates and change nothing.',
    response: ingestResponse,
    errors: {
      400: 'An event is not as described, or of a month that the trail does not hold',
      401: 'No valid service token',
      403: 'Not a service',
      503: 'Not stored; send them again',
    },
  })
  ingest(@Body({ schema: ingestRequest }) body: z.output<typeof ingestRequest>): Promise<IngestResponse> {
    return this.incoming.take(body.events);
  }

  @Get('events')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: 'Search the trail, newest first',
    response: auditPage,
    errors: { 400: 'A filter is not valid', ...READS },
  })
  async find(@Query({ schema: auditQuery }) query: AuditQuery, @Call() call: CallContext): Promise<AuditPage> {
    await settleWithin(this.logger.flush(), OWN_WRITES_MS);
    return this.search.find(query, tenantOf(call, query.tenant_id));
  }

  @Get('events/:id')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: 'One event',
    response: auditEvent,
    errors: { 400: 'Not a UUID', ...READS, 404: 'There is no such event' },
  })
  async get(
    @Param('id', { schema: uuid }) id: string,
    @Query({ schema: auditTenant }) { tenant_id }: z.output<typeof auditTenant>,
    @Call() call: CallContext,
  ): Promise<AuditEvent> {
    await settleWithin(this.logger.flush(), OWN_WRITES_MS);
    return this.search.get(id, tenantOf(call, tenant_id));
  }

  @Get('stats')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: "This instance's audit numbers",
    description: 'accepted = persisted + queued + spooled + dead_lettered; dropped is what is missing from that.',
    response: auditStats,
    errors: READS,
  })
  stats(): AuditStats {
    return this.logger.stats();
  }
}

/** An agent's is its own; a service says whose events it wants. @throws ServiceError forbidden */
function tenantOf({ principal }: CallContext, asked: string | undefined): string {
  if (principal.kind !== 'agent') return asked ?? DEFAULT_TENANT;
  if (asked !== undefined && asked !== principal.tenantId)
    throw new ServiceError(
      'forbidden',
      'other_tenant',
      `tenant_id: your token is for the tenant '${principal.tenantId}'`,
    );
  return principal.tenantId;
}
