import { Controller, Get, Res } from '@nestjs/common';
import { type Response } from 'express';
import { detailedHealth, type DetailedHealth } from '#contracts';
import { Endpoint, Public } from '#http';
import { HealthStreams } from './health-streams.js';
import { SystemHealth } from './system-health.js';

@Public()
@Controller('health')
export class SystemHealthController {
  constructor(
    private readonly system: SystemHealth,
    private readonly streams: HealthStreams,
  ) {}

  @Get('detailed')
  @Endpoint({
    summary: 'Every service, its database and its audit queue',
    description: '`degraded` while another service is away or unhealthy; the lobby itself is fine then.',
    response: detailedHealth,
    errors: { 503: 'The lobby itself is unhealthy; the body is the same' },
  })
  async detailed(@Res({ passthrough: true }) response: Response): Promise<DetailedHealth> {
    const health = await this.system.read();
    if (health.status === 'unhealthy') response.status(503);
    return health;
  }

  @Get('stream')
  @Endpoint({
    summary: 'The same, again and again',
    description: 'Server-sent events named `health`: one at once, then one every interval.',
    produces: 'text/event-stream',
    errors: { 503: 'Too many watch already (`too_many_streams`)' },
  })
  stream(@Res() response: Response): void {
    this.streams.add(response);
  }
}
