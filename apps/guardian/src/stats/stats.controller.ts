import { Controller, Get, Query } from '@nestjs/common';
import { statsQuery, statsResponse, type StatsQuery, type StatsResponse } from '#contracts';
import { Authenticated, Call, Endpoint, type CallContext } from '#http';
import { AgentRights } from '../access/agent-rights.js';
import { StatsRepository } from './stats.repository.js';

@Controller('stats')
export class StatsController {
  constructor(
    private readonly stats: StatsRepository,
    private readonly rights: AgentRights,
  ) {}

  @Get()
  @Authenticated()
  @Endpoint({
    summary: 'Sessions and certification, by agent',
    description:
      "Of all agents where the caller may `read` guardian/stats, otherwise its own. Another's, asked for by name, need `read` on guardian/stats/<agent>.",
    response: statsResponse,
    errors: { 400: 'A filter is not valid', 401: 'No valid token', 403: 'Not allowed' },
  })
  async read(@Query({ schema: statsQuery }) query: StatsQuery, @Call() call: CallContext): Promise<StatsResponse> {
    return this.stats.read(await this.rights.narrow(call, query, 'guardian/stats'));
  }
}
