#!/usr/bin/env node
/**
 * The entry of every npm command, and the only plain JavaScript: it must run before anything is installed or built, on
 * Node 20 or newer. It installs what is missing, compiles what changed, then runs `dist/scripts/<command>.js` on the Node
 * that the project pins, as a child it passes signals to. It adds no waiting of its own when there is nothing to do.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './run/build.mjs';
import { ensureInstalled } from './run/install.mjs';
import { watchParent } from './run/parent.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BIN = join(ROOT, 'node_modules', '.bin');
const NODE = join(BIN, 'node');

const COMMANDS = {
  start: 'PostgreSQL, databases and the five services, in the foreground (-- --help)',
  demo: 'a tour of agents allowed and denied, against a running stack',
  token: 'prints a JWT for the local stack (-- --ghost NAME [--groups a,b] [--ttl 1h])',
  'db-url': 'prints a connection URL of the local stack (-- APP [--role runtime|owner|superuser])',
  migration: 'TypeORM migrations of one service: migration APP run|revert|show|generate',
  setup: 'makes databases and roles on the server GRAVITAS_POSTGRES_URL names, and ends',
  test: 'all tests, against an embedded PostgreSQL (-- jest arguments)',
  crash: 'N random kills of a recording process: is anything lost? (-- N [--seed S] [--durability process|disk])',
  'audit-verify':
    'is the audit trail the one that its log was made of? (-- [--url U | --database URL | --dir D] [--key K])',
  'audit-export': 'the log and its events in a folder that verifies offline (-- --dir D [--tenant T])',
  'audit-seal': 'closes a month, so that retention may drop it (-- --month YYYY-MM)',
  'audit-redrive': 'sends audit events that were refused once more (-- [--service APP] [--dry-run])',
  'policy-replay': 'decides again what was decided (-- --from T --to T [--policy FILE] [--tenant T] [--json])',
  split: 'from one shared database to one for each service, and back: split VERB --plan FILE (-- --help)',
  bench: 'measures, and says which goals are met (-- [NAME...] or --help)',
  build: 'compiles into dist/',
  lint: 'eslint, prettier and the boundary rules',
  typecheck: 'tsc over everything, specs too',
};

/** Commands that read a `.env` in the checkout; what is set in the environment wins. */
const WITH_ENV_FILE = new Set([
  'start',
  'demo',
  'token',
  'db-url',
  'migration',
  'setup',
  'audit-redrive',
  'policy-replay',
  'audit-verify',
  'audit-export',
  'audit-seal',
  'split',
]);

/** Commands whose exit code 1 is a finding: that they could not even be started is 2. */
const WITH_VERDICT = new Set([
  'crash',
  'audit-redrive',
  'policy-replay',
  'audit-verify',
  'audit-export',
  'audit-seal',
  'split',
]);

/** Without a script of their own: programs to run one after the other until one fails. */
const CHAINS = {
  lint: [
    ['eslint', '.'],
    ['prettier', '--check', '--log-level', 'warn', '.'],
    ['depcruise', '--config', '.dependency-cruiser.mjs', 'apps', 'bench', 'libs', 'scripts', 'test'],
  ],
  typecheck: [['tsc', '--noEmit', '-p', 'tsconfig.json']],
};

function usage() {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
  return `node scripts/run.mjs COMMAND [arguments]\n\n${lines.join('\n')}\n`;
}

/** Runs a program to its end, passing signals on. Resolves with the exit code a shell would report. */
function run(file, args, { ipc = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ipc ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit';
    const env = { ...process.env, PATH: `${BIN}:${process.env.PATH ?? ''}` };
    const child = spawn(file, args, { cwd: ROOT, stdio, env });
    const forward = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    const unwatch = watchParent(() => child.kill('SIGTERM'));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      unwatch();
      for (const name of signals) process.off(name, forward);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

async function main() {
  const [command, ...args] = process.argv.slice(2);
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new Error(`Node ${process.versions.node} is too old: install Node 20 or newer (https://nodejs.org).`);
  }
  if (command === undefined || command === '--help' || command === 'help') {
    process.stdout.write(usage());
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, command)) {
    process.stderr.write(`There is no command "${command}".\n\n${usage()}`);
    return 2;
  }
  const envFile = join(ROOT, '.env');
  if (WITH_ENV_FILE.has(command) && existsSync(envFile)) loadEnvFile(envFile);
  await ensureInstalled(ROOT);
  if (Object.hasOwn(CHAINS, command)) {
    for (const [tool, ...toolArgs] of CHAINS[command]) {
      const code = await run(join(BIN, tool), [...toolArgs, ...args]);
      if (code !== 0) return code;
    }
    return 0;
  }
  // Tests are transpiled file by file: a type error elsewhere is reported, and fails `typecheck`, but does not stop them.
  await build(ROOT, { lenient: command === 'test' });
  if (command === 'build') return 0;
  const script = join(ROOT, 'dist', 'scripts', `${command}.js`);
  return run(NODE, ['--enable-source-maps', script, ...args], { ipc: true });
}

function loadEnvFile(path) {
  if (process.loadEnvFile) process.loadEnvFile(path);
  else process.stderr.write(`${readFileSync(path).length} bytes of .env not read: that takes Node 20.12 or newer.\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = WITH_VERDICT.has(process.argv[2]) ? 2 : 1;
}
