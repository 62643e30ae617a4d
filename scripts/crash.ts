import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EmbeddedPostgresError } from '#embedded-postgres';
import { CrashRuns, type CrashOptions } from './crash/crash-runs.js';
import { keepEvidence } from './crash/evidence.js';
import { killPlans } from './crash/kill-plan.js';
import { TrailServer } from './crash/trail-server.js';
import { type Findings } from './crash/trail-comparison.js';
import { runScript } from './stack/run-script.js';
import { onStopRequest } from './stack/signals.js';
import { discard, makeReachableTempDir, removeAbandoned } from './stack/temp-dir.js';

/** `npm run crash -- N`: N random kills of a recording process. */
const LOSS = 1;
const CANNOT_TELL = 2;
const INTERRUPTED = 130;
/** At most so many lines of progress, however many kills. */
const PROGRESS_LINES = 25;
const NAMED_IDS = 20;

interface Options {
  seed: number;
  durability: CrashOptions['durability'];
  unsafe: boolean;
}

await runScript(async () => {
  const { kills, options } = arguments_();
  await removeAbandoned();
  const stopping = new AbortController();
  const root = await makeReachableTempDir();
  let runs: CrashRuns | undefined;
  const stop = (): void => {
    stopping.abort();
    runs?.stop().catch(() => undefined);
  };
  onStopRequest(stop, stop);
  try {
    say(`${kills} kills, durability ${options.durability}, seed ${options.seed}`);
    const server = await TrailServer.create(root);
    runs = new CrashRuns(root, server, { durability: options.durability, early: options.unsafe });
    const code = await killAll(runs, kills, options.seed, stopping.signal);
    say(`\n${runs.tally.summary()}\n`);
    if (code === 0) say(`${kills} kills: everything acknowledged is in the trail exactly once, in order.`);
    return code;
  } finally {
    await discard(root);
  }
}, CANNOT_TELL);

function arguments_(): { kills: number; options: Options } {
  const durability = new Option('--durability <mode>', 'what an acknowledgement means').default('process');
  const unsafe = new Option('--unsafe', 'acknowledge before it is durable, in memory only: must be found out');
  const command = new Command('crash')
    .description(
      'Kills a process that records audit events under load, N times, and starts it again on its spool. PostgreSQL is up, or\n' +
        'stopped, or killed itself meanwhile. Then every event that was acknowledged must be in the trail exactly once.',
    )
    .argument('[kills]', 'how many', wholeNumber(1, 1_000_000), 25)
    .addOption(durability.choices(['process', 'disk']))
    .option('--seed <number>', 'repeats a run, as far as scheduling allows', wholeNumber(0, 2 ** 32 - 1))
    .addOption(unsafe.default(false).hideHelp())
    .addHelpText('after', '\nExit code 0: nothing was lost or doubled; 1: something was; 2: cannot tell.')
    .exitOverride()
    .parse();
  const given = command.opts<Partial<Options>>();
  const kills = command.processedArgs[0] as number;
  const { unsafe: isUnsafe = false, seed = randomInt(2 ** 32) } = given;
  return { kills, options: { seed, unsafe: isUnsafe, durability: isUnsafe ? 'memory' : given.durability! } };
}

/** @returns the exit code */
async function killAll(runs: CrashRuns, kills: number, seed: number, stop: AbortSignal): Promise<number> {
  let kill = 0;
  for (const plan of killPlans(kills, seed)) {
    kill++;
    try {
      const findings = await runs.run(plan);
      if (findings) return await tell(runs, { kill, seed, ...findings }, describe(findings));
    } catch (error) {
      if (stop.aborted) return INTERRUPTED;
      // The server is ours to keep running; everything else that ends a run is the logger's doing.
      if (error instanceof EmbeddedPostgresError) throw error;
      const text = error instanceof Error ? error.message : String(error);
      return await tell(runs, { kill, seed, error: text }, text);
    }
    if (stop.aborted) return INTERRUPTED;
    if (kill % Math.ceil(kills / PROGRESS_LINES) === 0 || kill === kills)
      process.stderr.write(`${kill} of ${kills} kills, ${runs.tally.acknowledged} events acknowledged\n`);
  }
  return 0;
}

async function tell(runs: CrashRuns, findings: object, text: string): Promise<number> {
  const kept = await keepEvidence([runs.spool, runs.spoolBefore], findings);
  say(`${text}\nThe spool and the findings are kept in ${kept}`);
  return LOSS;
}

function describe(findings: Findings): string {
  const lines = Object.entries(findings).flatMap(([name, list]: [string, string[]]) =>
    list.length === 0 ? [] : [`${name}: ${list.length}`, ...list.slice(0, NAMED_IDS).map((what) => `  ${what}`)],
  );
  return lines.join('\n');
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
