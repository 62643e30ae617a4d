import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { type EventProof } from '#contracts';
import { ServiceError } from '#errors';
import { Metrics } from '#metrics';
import { LogReader } from './log-reader.js';

/** A checkpoint is signed once a second. */
const WAIT_MS = 2000;
const LOOK_MS = 150;
/** Calls that wait at once; further ones are answered as things are. */
const MAX_WAITING = 32;

/** Gives out proofs, and waits a moment for events that were recorded just now. */
@Injectable()
export class Proofs {
  private waiting = 0;

  constructor(
    private readonly log: LogReader,
    metrics: Metrics,
  ) {
    metrics.gauge('tlog_proofs_waiting', 'Calls that wait for their event to be in the log', () => this.waiting);
  }

  /** @throws ServiceError not_found, conflict (`event_unlogged`), unavailable (`proof_pending`), internal (`log_damaged`) */
  async of(tenant: string, id: string): Promise<EventProof> {
    const first = await this.look(tenant, id);
    if (first) return first;
    if (this.waiting >= MAX_WAITING) throw pending(id);
    this.waiting++;
    try {
      for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline;) {
        await sleep(LOOK_MS);
        const proof = await this.look(tenant, id);
        if (proof) return proof;
      }
    } finally {
      this.waiting--;
    }
    throw pending(id);
  }

  /** @returns undefined while the log has not come to it */
  private async look(tenant: string, id: string): Promise<EventProof | undefined> {
    const found = await this.log.proof(tenant, id);
    switch (found.state) {
      case 'proven':
        return found.proof;
      case 'pending':
        return undefined;
      case 'unknown':
        throw new ServiceError('not_found', 'event_not_found', `There is no audit event ${id}`);
      case 'unlogged':
        throw new ServiceError(
          'conflict',
          'event_unlogged',
          'The row came into the trail past the service, so it is in no log and never will be',
        );
    }
  }
}

function pending(id: string): ServiceError {
  return new ServiceError('unavailable', 'proof_pending', `The event ${id} is not in the log yet; ask again`, {
    retryAfter: 1,
  });
}
