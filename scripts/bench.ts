import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Command } from 'commander';
import { benches } from '../bench/index.js';
import { type Bench } from '../bench/harness/bench.js';
import { table, writeResults } from '../bench/harness/report.js';
import { runScript } from './stack/run-script.js';
import { onStopRequest } from './stack/signals.js';
import { discard, makeReachableTempDir, removeAbandoned } from './stack/temp-dir.js';

/**
 * `npm run bench [-- NAME...]`: measures, prints a table, and writes `bench/results/NAME.json`. Several run one after the other, each in
 * a process of its own: what one leaves in memory, and what it has taught the compiler, must not show in the next one's figures.
 */
const INTERRUPTED = 130;
const RESULTS = join('bench', 'results');

await runScript(async () => {
  const names = new Command('bench')
    .description('Measures, and says which goals are met. Without a name: everything.')
    .argument('[names...]', 'what to measure')
    .addHelpText('after', `\nNames:\n${benches.map(({ name, about }) => `  ${name.padEnd(14)}  ${about}\n`).join('')}`)
    .parse().args;
  const chosen = names.length > 0 ? names.map(benchNamed) : benches;
  const stop = new AbortController();
  onStopRequest(
    () => stop.abort(),
    () => process.exit(INTERRUPTED),
  );
  if (chosen.length === 1) return runOne(chosen[0]!, stop.signal);
  for (const { name } of chosen) {
    const code = await runInChild(name, stop.signal);
    if (code !== 0) return code;
  }
});

function benchNamed(name: string): Bench {
  const found = benches.find((bench) => bench.name === name);
  if (found) return found;
  const known = benches.map((bench) => bench.name).join(', ');
  throw new Error(`There is no bench "${name}". There are: ${known}.`);
}

async function runOne(bench: Bench, stop: AbortSignal): Promise<number> {
  await removeAbandoned();
  const directory = await makeReachableTempDir();
  const progress = (line: string): void => void process.stderr.write(`${bench.name}: ${line}\n`);
  const stopped = new Promise<undefined>((resolve) => stop.addEventListener('abort', () => resolve(undefined)));
  try {
    const results = await Promise.race([bench.run({ directory, stop, progress }), stopped]);
    if (!results || stop.aborted) return INTERRUPTED;
    const file = await writeResults(RESULTS, bench.name, results);
    process.stdout.write(`\n${bench.name}: ${bench.about}\n\n${table(results)}\n`);
    progress(`the figures are in ${file}`);
    return 0;
  } finally {
    await discard(directory);
    // What was under way has lost its server and its folder: nothing of that is worth waiting for.
    if (stop.aborted) process.exit(INTERRUPTED);
  }
}

/** Resolves with the exit code. */
function runInChild(name: string, stop: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, name], { stdio: 'inherit' });
    const forward = (): void => void child.kill('SIGTERM');
    stop.addEventListener('abort', forward);
    child.once('error', reject);
    child.once('exit', (code) => {
      stop.removeEventListener('abort', forward);
      resolve(code ?? INTERRUPTED);
    });
  });
}
