import { Controller, Delete, Get, Param, Put } from '@nestjs/common';
import {
  badgeCheckResponse,
  badgeGrantResponse,
  badgeList,
  badgeRevokeResponse,
  name,
  type BadgeCheckResponse,
  type BadgeGrantResponse,
  type BadgeList,
  type BadgeRevokeResponse,
} from '#contracts';
import { Authenticated, Call, Endpoint, Requires, type CallContext, type ServiceRequest } from '#http';
import { AgentRights } from '../access/agent-rights.js';
import { badgesOf, BadgesService } from './badges.service.js';

const WRITES = {
  400: 'Not a name',
  401: 'No valid token',
  403: 'Not allowed',
  503: 'Not changed, because it could not be recorded (`audit_unavailable`)',
};
const theGhosts = (request: ServiceRequest) => badgesOf(String(request.params.ghost_id));

@Controller('badges/:ghost_id')
export class BadgesController {
  constructor(
    private readonly badges: BadgesService,
    private readonly rights: AgentRights,
  ) {}

  @Get()
  @Authenticated()
  @Endpoint({
    summary: "A ghost's badges",
    description: "An agent sees its own; another's need `read` on guardian/badges/<ghost_id>.",
    response: badgeList,
    errors: { 400: 'Not a name', 401: 'No valid token', 403: 'Not allowed' },
  })
  async list(@Param('ghost_id', { schema: name }) ghostId: string, @Call() call: CallContext): Promise<BadgeList> {
    await this.rights.needUnlessOwn(call, ghostId, 'read', badgesOf(ghostId));
    return this.badges.list(ghostId);
  }

  @Get(':badge')
  @Authenticated()
  @Endpoint({
    summary: 'Does a ghost have this badge?',
    description:
      'An agent may ask about itself; about another it needs `read` on guardian/badges/<ghost_id>. A yes may be a second old, a no is fresh.',
    response: badgeCheckResponse,
    errors: { 400: 'Not a name', 401: 'No valid token', 403: 'Not allowed', 404: 'The ghost does not have it' },
  })
  async check(
    @Param('ghost_id', { schema: name }) ghostId: string,
    @Param('badge', { schema: name }) badge: string,
    @Call() call: CallContext,
  ): Promise<BadgeCheckResponse> {
    await this.rights.needUnlessOwn(call, ghostId, 'read', badgesOf(ghostId));
    return this.badges.check(ghostId, badge);
  }

  @Put(':badge')
  @Requires('write', theGhosts)
  @Endpoint({
    summary: 'Grant a badge',
    description: 'Idempotent: `granted` is false when the ghost had it already.',
    response: badgeGrantResponse,
    errors: { ...WRITES, 409: 'The ghost has 64 badges already (`badge_limit`)' },
  })
  grant(
    @Param('ghost_id', { schema: name }) ghostId: string,
    @Param('badge', { schema: name }) badge: string,
    @Call() call: CallContext,
  ): Promise<BadgeGrantResponse> {
    return this.badges.grant(ghostId, badge, call);
  }

  @Delete(':badge')
  @Requires('write', theGhosts)
  @Endpoint({
    summary: 'Revoke a badge',
    response: badgeRevokeResponse,
    errors: { ...WRITES, 404: 'The ghost does not have it' },
  })
  revoke(
    @Param('ghost_id', { schema: name }) ghostId: string,
    @Param('badge', { schema: name }) badge: string,
    @Call() call: CallContext,
  ): Promise<BadgeRevokeResponse> {
    return this.badges.revoke(ghostId, badge, call);
  }
}
