import { Controller, Get, Header, Param, Query, Res } from '@nestjs/common';
import { type Response } from 'express';
import { type z } from 'zod';
import { AuditLogger } from '#audit';
import { settleWithin } from '#batching';
import {
  auditTenant,
  consistencyQuery,
  DEFAULT_TENANT,
  logConsistency,
  logKey,
  eventProof,
  logWitnesses,
  proofQuery,
  uuid,
  type ConsistencyQuery,
  type LogConsistency,
  type LogKey,
  type EventProof,
  type LogWitnesses,
  type ProofQuery,
} from '#contracts';
import { Call, Endpoint, Public, Requires, type CallContext } from '#http';
import { eventProofText } from '#tlog';
import { tenantOf } from '../audit/audit.controller.js';
import { LogReader } from './log-reader.js';
import { Notary } from './notary.js';
import { Proofs } from './proofs.js';
import { WitnessReport } from './witness-report.js';

type TenantQuery = z.output<typeof auditTenant>;

const READS = { 401: 'No valid token', 403: 'The agent may not read audit/events, or not of this tenant' };
/** How long a proof waits for this instance's own latest events to be in the trail. */
const OWN_WRITES_MS = 1000;

/** The transparency log of the caller's tenant. */
@Controller('v1/audit')
export class LogController {
  constructor(
    private readonly notary: Notary,
    private readonly log: LogReader,
    private readonly proofs: Proofs,
    private readonly witnesses: WitnessReport,
    private readonly logger: AuditLogger,
  ) {}

  @Get('key')
  @Public()
  @Endpoint({
    summary: "The public key of a tenant's log",
    description: 'As C2SP signed-note writes it. It says nothing of whether there is such a tenant.',
    response: logKey,
    errors: { 400: 'No valid tenant_id' },
  })
  key(@Query({ schema: auditTenant }) { tenant_id: tenant = DEFAULT_TENANT }: TenantQuery): LogKey {
    const verifier = this.notary.verifierOf(tenant);
    return { tenant_id: tenant, origin: verifier.name, verifier_key: verifier.toString() };
  }

  @Get('checkpoint')
  @Requires('read', 'audit/events')
  @Header('cache-control', 'no-store')
  @Header('content-type', 'text/plain; charset=utf-8')
  @Endpoint({
    summary: 'The newest checkpoint of the log',
    description: 'A signed note (C2SP tlog-checkpoint), with the cosignatures that there are of this size.',
    produces: 'text/plain',
    errors: { ...READS, 404: 'Nothing is in the log yet (`no_checkpoint`)' },
  })
  checkpoint(@Query({ schema: auditTenant }) { tenant_id }: TenantQuery, @Call() call: CallContext): Promise<string> {
    return this.log.checkpoint(tenantOf(call, tenant_id));
  }

  @Get('proof/:id')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: 'That an event is in the log',
    description:
      'Event, index, inclusion proof and checkpoint, to be verified with the public key alone. `format=tlog-proof` gives the text form of ' +
      'C2SP tlog-proof, with the event as its extra data. An event that was recorded just now is waited for.',
    response: eventProof,
    errors: {
      400: 'Not a UUID',
      ...READS,
      404: 'There is no such event',
      409: 'The row came past the service and is in no log (`event_unlogged`)',
      503: 'The event is not in the log yet (`proof_pending`); ask again',
    },
  })
  async proof(
    @Param('id', { schema: uuid }) id: string,
    @Query({ schema: proofQuery }) { tenant_id, format }: ProofQuery,
    @Call() call: CallContext,
    @Res({ passthrough: true }) response: Response,
  ): Promise<EventProof | string> {
    await settleWithin(this.logger.flush(), OWN_WRITES_MS);
    const proof = await this.proofs.of(tenantOf(call, tenant_id), id.toLowerCase());
    if (format === 'json') return proof;
    response.type('text/plain; charset=utf-8');
    return eventProofText(proof);
  }

  @Get('consistency')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: 'That an older tree of the log is the beginning of a newer one',
    response: logConsistency,
    errors: {
      400: 'A bound is not valid, or beyond the log (`beyond_log`)',
      ...READS,
      404: 'Nothing is in the log yet (`no_checkpoint`)',
    },
  })
  consistency(
    @Query({ schema: consistencyQuery }) { tenant_id, from, to }: ConsistencyQuery,
    @Call() call: CallContext,
  ): Promise<LogConsistency> {
    return this.log.consistency(tenantOf(call, tenant_id), from, to);
  }

  @Get('witness')
  @Requires('read', 'audit/events')
  @Endpoint({
    summary: 'The witnesses of the log, and the newest checkpoint that one has cosigned',
    response: logWitnesses,
    errors: READS,
  })
  witness(
    @Query({ schema: auditTenant }) { tenant_id }: TenantQuery,
    @Call() call: CallContext,
  ): Promise<LogWitnesses> {
    return this.witnesses.of(tenantOf(call, tenant_id));
  }
}
