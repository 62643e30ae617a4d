import { type ServiceName } from '#contracts';

/** A failed request is a failed move: what was asked, and what came of it. */
export interface Failure {
  actor: string;
  what: string;
  /** Milliseconds since the load began. */
  at: number;
}

/** What the load generator knows for certain: the judge of a move. */
export class Ledger {
  /** `ghost/badge` that was granted last, and not revoked since. */
  readonly badges = new Set<string>();
  /** Names of measurements that telemetry said it has. */
  readonly measurements = new Set<string>();
  /** Ids of calls whose usage was taken. */
  readonly calls = new Set<string>();
  /** Ids of audit events that the gatekeeper answered with. */
  readonly decisions = new Set<string>();
  /** Request ids of conversations that were answered: what was asked is what was answered. */
  readonly chats = new Map<string, string>();
  readonly failures: Failure[] = [];
  /** Milliseconds each, by who asked. */
  readonly latencies = new Map<string, number[]>();
  readonly requests: Record<ServiceName, number> = { gatekeeper: 0, guardian: 0, router: 0, telemetry: 0, lobby: 0 };

  note(actor: string, milliseconds: number): void {
    const known = this.latencies.get(actor);
    if (known) known.push(milliseconds);
    else this.latencies.set(actor, [milliseconds]);
  }

  /** Of one actor's or of all, 0 to 1; NaN when there was nothing. */
  quantile(share: number, actor?: string): number {
    const all = [...this.latencies]
      .filter(([name]) => actor === undefined || name === actor)
      .flatMap(([, times]) => times);
    return all.sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))] ?? NaN;
  }
}
