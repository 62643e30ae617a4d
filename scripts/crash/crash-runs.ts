import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { drain } from './drain.js';
import { type KillPlan } from './kill-plan.js';
import { RecorderProcess } from './recorder-process.js';
import { type Acknowledged } from './report-lines.js';
import { Tally } from './tally.js';
import { type TrailServer } from './trail-server.js';
import { compareWithTrail, isClean, type Findings } from './trail-comparison.js';

export interface CrashOptions {
  durability: 'process' | 'disk' | 'memory';
  /** Recorders report before anything is durable: then there must be findings. */
  early: boolean;
}

/** Kills recorders, one after the other on the same spool, and looks whether the trail has what they acknowledged. */
export class CrashRuns {
  readonly tally = new Tally();
  /** The spool, and a copy from before it was last drained: for who wants to know why something is missing. */
  readonly spool: string;
  readonly spoolBefore: string;
  /** Recorders start the sooner for it. */
  private readonly compileCache: string;
  private acknowledged: Acknowledged[] = [];
  private recorder: RecorderProcess | undefined;

  /** @param root a directory for the spool; its owner removes it */
  constructor(
    root: string,
    private readonly server: TrailServer,
    private readonly options: CrashOptions,
  ) {
    this.spool = join(root, 'spool');
    this.compileCache = join(root, 'compile-cache');
    this.spoolBefore = join(root, 'spool-before-it-was-drained');
  }

  /**
   * One life of a recorder; PostgreSQL runs afterwards.
   *
   * @returns what is wrong with the trail; undefined when all is well, or the plan says to look later
   * @throws RecorderError, EmbeddedPostgresError, and Error when the spool cannot be drained
   */
  async run(plan: KillPlan): Promise<Findings | undefined> {
    if (plan.scenario === 'stopped') await this.server.stop();
    const { environment } = this;
    const reports = plan.moment === 'acknowledging' ? plan.reports : 0;
    const recorder = RecorderProcess.start({ environment, seed: plan.seed, early: this.options.early, reports });
    this.recorder = recorder;
    const midBatch = await this.liveUntilKill(plan, recorder).finally(() => {
      this.recorder = undefined;
      return recorder.kill();
    });
    await this.server.start();
    this.tally.killed(plan, { acknowledged: recorder.acknowledged.length, found: recorder.left, midBatch });
    for (const receipt of recorder.acknowledged) this.acknowledged.push(receipt);
    return plan.compare ? this.compare() : undefined;
  }

  /** Ends the recorder that runs; `run` then rejects, or resolves early. Nothing happens when there is none. */
  async stop(): Promise<void> {
    await this.recorder?.kill();
  }

  /** @returns whether PostgreSQL was killed in the middle of a batch */
  private async liveUntilKill(plan: KillPlan, recorder: RecorderProcess): Promise<boolean> {
    const { scenario, moment, delayMs, backBeforeKill, loadMs } = plan;
    await (moment === 'opening' ? recorder.isOpening() : recorder.isRecording());
    if (scenario === 'stopped' && backBeforeKill) await this.server.start();
    if (scenario === 'killed' && moment !== 'opening') await sleep(loadMs);
    const midBatch = scenario === 'killed' && (await this.server.killInMidBatch());
    // A server that was killed comes back while the recorder goes on, which ends before that, meanwhile or afterwards.
    const back = scenario === 'killed' ? this.server.start() : Promise.resolve();
    // Told below; a rejection that nobody listens to yet would end this process.
    back.catch(() => undefined);
    try {
      await (moment === 'acknowledging' ? recorder.hasEnded() : sleep(delayMs));
      await recorder.kill();
    } finally {
      await back;
    }
    return midBatch;
  }

  private async compare(): Promise<Findings | undefined> {
    await rm(this.spoolBefore, { recursive: true, force: true });
    // A recorder that is killed while it opens its spool for the first time may not have made it.
    await cp(this.spool, this.spoolBefore, { recursive: true }).catch(ignoreMissing);
    this.tally.drained(await drain(this.environment));
    const compared = await compareWithTrail(this.server.superuserUrl, this.acknowledged);
    this.tally.compared(compared);
    this.acknowledged = [];
    return isClean(compared.findings) ? undefined : compared.findings;
  }

  /** The gatekeeper's, as far as its audit logger needs it. */
  private get environment(): Record<string, string> {
    return {
      GATEKEEPER_DATABASE_URL: this.server.urlOf('runtime'),
      GATEKEEPER_READER_URL: this.server.urlOf('reader'),
      GATEKEEPER_NOTARY_URL: this.server.urlOf('notary'),
      SERVICE_KEY: `${UNUSED_SECRET} either`,
      JWT_SECRET_KEY: UNUSED_SECRET,
      AUDIT_SPOOL_DIR: this.spool,
      AUDIT_DURABILITY: this.options.durability,
      LOG_LEVEL: 'warn',
      NODE_COMPILE_CACHE: this.compileCache,
    };
  }
}

/** The settings want one; nothing is signed. */
const UNUSED_SECRET = 'no secret at all, but of the length that one must have';

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
