import { setTimeout as sleep } from 'node:timers/promises';
import { type Side } from '#decomposition';
import { waitFor } from '#testing';
import { Random } from '../../../scripts/crash/random.js';
import { Program, type Ended } from '../run-program.js';
import { FenceWatch } from './fence-watch.js';
import { awaitMoment, chooseMoment, type Kill, type Victim } from './kill.js';
import { Probe } from './probe.js';
import { dropShop, leftovers, makeShop, PASSWORDS, type Shop } from './shop.js';
import { type TwoServers } from './two-servers.js';
import { Writers } from './writers.js';

export interface KilledMoveOptions {
  servers: TwoServers;
  /** For plans. */
  folder: string;
  seed: number;
  strategy: 'replication' | 'dual-write';
}

/** A run that does not end by then hangs. */
const RUN_TIMEOUT_MS = 90_000;
/** For a verb to converge, counted from its last kill. */
const PATIENCE_MS = 180_000;
const BETWEEN_MS = 300;
/** How long a server stays away. */
const AWAY_MS = 1500;

/** One move, whose every run may be cut short, under writers who keep a ledger. */
export class KilledMove {
  readonly kills: { verb: string; victim: Victim; attempts: number }[] = [];
  /** What happened, for when something is wrong. */
  readonly story: string[] = [];
  /** Kills that came too late: the verb had ended. */
  missed = 0;
  private readonly random: Random;
  private readonly probe: Probe;
  private readonly watch: FenceWatch;
  private readonly began = Date.now();
  private reconciler: Program | undefined;
  private away: Promise<void> = Promise.resolve();

  private constructor(
    readonly options: KilledMoveOptions,
    readonly shop: Shop,
    readonly writers: Writers,
  ) {
    this.random = new Random(options.seed);
    this.probe = new Probe(shop);
    this.watch = new FenceWatch(shop, () => this.story.at(-1) ?? 'the beginning');
  }

  static async begin(options: KilledMoveOptions): Promise<KilledMove> {
    const { servers, folder, seed, strategy } = options;
    const shop = await makeShop(servers, folder, `kills_${seed.toString(36)}`, strategy);
    return new KilledMove(options, shop, await Writers.start(shop));
  }

  /**
   * Runs a verb, killing somebody in each of its first runs, and again until it ends well.
   *
   * @throws Error with the story when it does not, or found a difference
   */
  async verb(verb: string, kills: readonly Kill[], ...more: string[]): Promise<void> {
    let attempts = 0;
    for (const kill of kills) {
      attempts += 1;
      const { killed, end } = await this.killed(verb, kill, more);
      this.refuseDifference(end);
      if (killed) this.kills.push({ verb, victim: kill.victim, attempts });
      else this.missed += 1;
      if (!killed && end.code === 0) return;
    }
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      await this.away;
      const end = await this.run(verb, more).ended(RUN_TIMEOUT_MS);
      this.tell(`${verb}: ${end.code} ${brief(end)}`);
      this.refuseDifference(end);
      if (end.code === 0) return;
      if (Date.now() > deadline) throw this.wrong(`${verb} does not converge`);
      await sleep(BETWEEN_MS);
    }
  }

  /** What the ledger has against the side that takes writes, and what was seen meanwhile. */
  async agree(side: Side): Promise<void> {
    await this.away;
    const wrong = [...(await this.writers.ledger.judge(this.shop, side)), ...this.watch.sightings];
    // A connection from before a kill is found broken by the first question; a server that stands still gives no answer in time.
    const open = await waitFor(`what is open on the ${side}`, () => this.probe.open(side), 20_000);
    if (open.length !== 3) wrong.push(`open on the ${side}: ${open.join(', ')}`);
    if (wrong.length > 0) throw this.wrong(wrong.slice(0, 20).join('\n'));
  }

  /** Nobody looks any more whether both sides are open. */
  async stopWatching(): Promise<void> {
    await this.watch.stop();
  }

  /** For dual-write: somebody has to carry the changes over. */
  startReconciler(): void {
    const { plan } = this.shop;
    const program = Program.start('split', ['watch', '--plan', plan, '--alert'], PASSWORDS);
    this.reconciler = program;
    program.child.once('close', () => {
      if (this.reconciler === program) this.startReconciler();
    });
  }

  async stopReconciler(): Promise<void> {
    const { reconciler } = this;
    this.reconciler = undefined;
    reconciler?.child.kill('SIGTERM');
    await reconciler?.ended(30_000);
  }

  /** Nothing of the move is left on either server. */
  async expectNothingLeft(): Promise<void> {
    const left = await leftovers(this.shop);
    if (left.length > 0) throw this.wrong(`left behind: ${left.join(', ')}`);
  }

  async end(): Promise<{ looks: number }> {
    await this.away;
    await this.stopReconciler();
    await this.writers.close();
    await this.watch.stop();
    await this.probe.close();
    await dropShop(this.options.servers, this.shop).catch(() => undefined);
    return { looks: this.watch.looks };
  }

  private async killed(verb: string, kill: Kill, more: string[]): Promise<{ killed: boolean; end: Ended }> {
    await this.away;
    const { victim, at: moment = chooseMoment(verb, this.random) } = kill;
    const awayMs = this.random.integer(0, AWAY_MS);
    const program = this.run(verb, more);
    const ended = program.ended(RUN_TIMEOUT_MS);
    ended.catch(() => undefined);
    const killed = await awaitMoment(moment, program, {
      steps: () => this.probe.steps(verb),
      isConnected: () => this.probe.isConnected(),
    });
    const said = `${verb}, ${killed ? 'killed' : 'to be killed'}: ${victim} at ${moment.what} ${moment.count} + ${moment.later} ms`;
    this.tell(victim === 'tool' ? said : `${said}, away ${awayMs} ms`);
    if (killed && victim === 'tool') program.child.kill('SIGKILL');
    else if (killed) {
      const server = this.options.servers[victim as Side];
      await server.kill();
      this.away = sleep(awayMs).then(() => server.start());
      this.away.catch(() => undefined);
    }
    const end = await ended.catch(() => {
      program.child.kill('SIGKILL');
      throw this.wrong(`${verb} does not end: ${program.errors}`);
    });
    this.tell(`  -> ${end.code} ${brief(end)}`);
    return { killed, end };
  }

  private run(verb: string, more: readonly string[]): Program {
    const yes = ['verify', 'switch-writes', 'complete', 'abandon'].includes(verb) ? ['--yes'] : [];
    return Program.start('split', [verb, '--plan', this.shop.plan, ...more, ...yes], PASSWORDS);
  }

  /** A difference that a kill explains does not stand: what is named is one. Nor does a run end without a word. */
  private refuseDifference(end: Ended): void {
    if (/^Node\.js v/m.test(end.errors)) throw this.wrong(`a run broke down: ${end.errors}`);
    if (/Not equal|sides differ|There is no way/i.test(`${end.out}${end.errors}`))
      throw this.wrong(`a difference was found: ${end.out}${end.errors}`);
  }

  private tell(text: string): void {
    this.story.push(`${((Date.now() - this.began) / 1000).toFixed(1)} s ${text}`);
  }

  private wrong(what: string): Error {
    const { seed, strategy } = this.options;
    return new Error(`seed ${seed}, ${strategy}: ${what}\n${this.story.join('\n')}`);
  }
}

function brief({ code, out, errors }: Ended): string {
  if (code === 0) return (out.trim().split('\n').at(-1) ?? '').slice(0, 200);
  return errors.trim().split('\n').slice(-2).join(' | ').slice(0, 600);
}
