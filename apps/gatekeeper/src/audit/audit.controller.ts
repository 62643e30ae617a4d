import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Body, Controller, Get, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { type Response } from 'express';
import { type z } from 'zod';
import { AuditLogger } from '#audit';
import { settleWithin } from '#batching';
import {
  auditEvent,
  auditExportQuery,
  auditPage,
  auditQuery,
  auditTenant,
  auditTimeline,
  auditTimelineQuery,
  auditTrailStats,
  DEFAULT_TENANT,
  ingestRequest,
  ingestResponse,
  uuid,
  type AuditEvent,
  type AuditExportQuery,
  type AuditPage,
  type AuditQuery,
  type AuditTimeline,
  type AuditTimelineQuery,
  type AuditTrailStats,
  type IngestResponse,
} from '#contracts';
import { errorMessage, ServiceError } from '#errors';
import { Call, Endpoint, Requires, ServiceOnly, type CallContext } from '#http';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { AuditExport } from './audit-export.js';
import { AuditIngest } from './audit-ingest.js';
import { AuditSearch } from './audit-search.js';
import { AuditTimelines } from './audit-timeline.js';
import { EXPORT_MEDIA_TYPES, exportText } from './export-format.js';
import { Quarantine } from './quarantine.js';

const READS = { 401: 'No valid token', 403: 'The agent may not read audit/events' };
/** How long a read waits for this instance's own latest events to be on disk, so that who wrote can read. */
const OWN_WRITES_MS = 1000;

@Controller('v1/audit')
export class AuditController {
  constructor(
    private readonly search: AuditSearch,
    private readonly exports: AuditExport,
    private readonly timelines: AuditTimelines,
    private readonly quarantine: Quarantine,
    private readonly incoming: AuditIngest,
    private readonly logger: AuditLogger,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @Post('events')
  @ServiceOnly()
  @Endpoint({
    summary: "Take another service's audit events",
    description:
      'Answered once they are durable. Ids that are there already are counted as duplicates and change nothing.',
    response: ingestResponse,
    errors: {
      400: 'An event is not as described',
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

  @Get('export')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: 'All events that match, newest first, as NDJSON or CSV',
    description:
      'As of one moment, streamed. A connection that ends without the last chunk was cut: the export is not complete then.',
    produces: 'application/x-ndjson',
    errors: { 400: 'A filter is not valid', ...READS, 503: 'Too many exports are running' },
  })
  async export(
    @Query({ schema: auditExportQuery }) { format, ...filters }: AuditExportQuery,
    @Call() call: CallContext,
    @Res() response: Response,
  ): Promise<void> {
    const tenant = tenantOf(call, filters.tenant_id);
    await settleWithin(this.logger.flush(), OWN_WRITES_MS);
    const run = await this.exports.open(filters, tenant);
    response.setHeader('content-type', EXPORT_MEDIA_TYPES[format]);
    response.setHeader('content-disposition', `attachment; filename="audit.${format}"`);
    const text = Readable.from(exportText(run.batches, format), { objectMode: true, highWaterMark: 1 });
    try {
      await pipeline(text, response, { signal: run.broken });
    } catch (error) {
      // The client went away, or the database did: the answer has begun, and all that is left is not to end it as if it were whole.
      this.log.info({ err: errorMessage(error) }, 'an export was cut off');
    } finally {
      await run.close();
    }
  }

  @Get('stats')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: "This instance's audit numbers",
    description:
      'accepted = persisted + queued + spooled + dead_lettered; dropped is what is missing from that. quarantined: events of all instances that wait for a month that the trail does not have.',
    response: auditTrailStats,
    errors: READS,
  })
  async stats(): Promise<AuditTrailStats> {
    return { ...this.logger.stats(), quarantined: await this.quarantine.count() };
  }

  @Get('stats/timeline')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: 'Events by hour and result',
    description: 'Of at most 31 days; the last 24 hours unless said otherwise.',
    response: auditTimeline,
    errors: { 400: 'The range is not valid', ...READS },
  })
  async timeline(
    @Query({ schema: auditTimelineQuery }) query: AuditTimelineQuery,
    @Call() call: CallContext,
  ): Promise<AuditTimeline> {
    await settleWithin(this.logger.flush(), OWN_WRITES_MS);
    return this.timelines.count(query, tenantOf(call, query.tenant_id));
  }
}

/** An agent's is its own; a service says whose events it wants. @throws ServiceError forbidden */
export function tenantOf({ principal }: CallContext, asked: string | undefined): string {
  if (principal.kind !== 'agent') return asked ?? DEFAULT_TENANT;
  if (asked !== undefined && asked !== principal.tenantId)
    throw new ServiceError(
      'forbidden',
      'other_tenant',
      `tenant_id: your token is for the tenant '${principal.tenantId}'`,
    );
  return principal.tenantId;
}
