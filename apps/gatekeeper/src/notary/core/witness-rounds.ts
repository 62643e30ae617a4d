import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { withConnection } from '#database';
import { NoteVerifier } from '#tlog';
import { type Query, TileTable } from './log-tables.js';
import { keepAnswer, treesDue, type DueTree } from './cosignature-table.js';
import { WitnessClient } from './witness-client.js';
import { type Witness } from './witness-list.js';
import { ask, type Outcome } from './witness-questions.js';

export interface WitnessRoundsOptions {
  witness: Witness;
  /** As the notary. */
  pool: pg.Pool;
  /** Milliseconds between two checkpoints of one tenant. */
  intervalMs: number;
  /** Only the instance that leads the log asks. */
  leads: () => boolean;
  log: Record<'info' | 'warn' | 'error', (details: object, message: string) => void>;
  /** Told of each answer, and of each that did not come. */
  onOutcome?: (outcome: Outcome) => void;
  /** Default 5 s. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 5000;
const AT_ONCE = 4;
const IN_ROUND = 200;
const LOOK_MS = 5000;

/**
 * Shows the checkpoints that have changed to one witness, and keeps its cosignatures. Each witness has its own, so that none waits for
 * another; and the log waits for none of them. At most four calls are under way. One that does not answer is left alone for an interval.
 */
export class WitnessRounds {
  private readonly client: WitnessClient;
  private readonly verifier: NoteVerifier;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private lastKind: Outcome['kind'] | undefined;

  constructor(private readonly options: WitnessRoundsOptions) {
    const { witness, timeoutMs = TIMEOUT_MS } = options;
    this.client = new WitnessClient(witness.url, timeoutMs);
    this.verifier = NoteVerifier.parse(witness.key);
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Ends the calls under way. Twice is the same as once. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.client.close();
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  private async run(): Promise<void> {
    const { intervalMs, leads, log } = this.options;
    while (!this.stopped) {
      let pause = Math.min(LOOK_MS, intervalMs / 4);
      try {
        if (leads()) pause = await this.round(pause);
      } catch (error) {
        if (!this.stopped) log.warn({ err: error }, 'could not read which checkpoints a witness has not seen');
      }
      await sleep(pause, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** @returns how long to wait for the next one */
  private async round(pause: number): Promise<number> {
    const { witness, intervalMs } = this.options;
    const due = await treesDue(this.query, witness.key, intervalMs, IN_ROUND);
    const queue = due.values();
    let reachable = true;
    const work = async (): Promise<void> => {
      for (const tree of queue) {
        const outcome = await this.showTo(tree);
        if (this.stopped) return;
        await keepAnswer(this.query, tree, witness.key, outcome);
        this.report(tree, outcome);
        reachable &&= outcome.kind !== 'unreachable';
        if (!reachable) return;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (!reachable) return intervalMs;
    return due.length === IN_ROUND ? 0 : pause;
  }

  private showTo(tree: DueTree): Promise<Outcome> {
    const tiles = new TileTable(this.query, tree.tenant);
    return ask(tree, tiles, this.verifier, (body) => this.client.addCheckpoint(body, this.stopping.signal));
  }

  private report({ tenant }: DueTree, outcome: Outcome): void {
    const { witness, log, onOutcome } = this.options;
    onOutcome?.(outcome);
    const details = { witness: witness.name, url: witness.url, tenant_id: tenant };
    if (outcome.kind === 'disagrees')
      log.error({ ...details, problem: outcome.problem }, 'a witness has seen another history of the log');
    else if (outcome.kind !== this.lastKind && outcome.kind !== 'cosigned')
      log.warn({ ...details, problem: outcome.problem }, 'a witness does not cosign');
    else if (outcome.kind !== this.lastKind) log.info(details, 'a witness cosigns');
    this.lastKind = outcome.kind;
  }

  private readonly query: Query = async (sql, values) =>
    withConnection(this.options.pool, async (client) => (await client.query(sql, [...values])).rows as never);
}
