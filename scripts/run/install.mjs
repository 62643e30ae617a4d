import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { withLock } from './lock.mjs';

/**
 * Runs `npm ci` when node_modules is not what package-lock.json asks for, whoever installed it last. The stamp only saves
 * the comparison.
 */
export async function ensureInstalled(root) {
  if (isStamped(root)) return;
  await withLock(join(root, 'dist', '.setup-lock'), async () => {
    if (isStamped(root)) return;
    if (!isInstalled(root)) await npmCi(root);
    if (!existsSync(join(root, 'node_modules', '.bin', 'node'))) {
      throw new Error(
        'npm installed no Node of ours: allow install scripts for the package "node" and run npm ci again.',
      );
    }
    remember(root);
  });
}

/** Without the stamp the comparison is made each time: node_modules may belong to somebody else. */
function remember(root) {
  try {
    writeFileSync(stampFile(root), lockHash(root));
  } catch {
    return;
  }
}

const stampFile = (root) => join(root, 'node_modules', '.gravitas-lock');

function lockHash(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

function isStamped(root) {
  const file = stampFile(root);
  return existsSync(file) && readFileSync(file, 'utf8') === lockHash(root);
}

/** npm keeps a list of what it put into node_modules; packages for other platforms are in ours only. */
function isInstalled(root) {
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(hidden) || !existsSync(join(root, 'node_modules', '.bin', 'node'))) return false;
  const wanted = Object.entries(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages);
  const present = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  return wanted.every(([path, { version, optional, devOptional, peer }]) => {
    if (path === '' || (present[path] === undefined && (optional || devOptional || peer))) return true;
    return present[path]?.version === version;
  });
}

async function npmCi(root) {
  process.stderr.write('Installing packages (npm ci; about half a minute) ...\n');
  const started = Date.now();
  // Without our own bin directory: it is about to be replaced, with the Node that is in it.
  const bin = join(root, 'node_modules', '.bin');
  const path = (process.env.PATH ?? '').split(delimiter).filter((entry) => entry !== bin);
  const args = ['ci', '--no-fund', '--no-audit', '--loglevel=error'];
  // What npm prints goes to stderr: stdout belongs to the command that follows.
  const child = spawn('npm', args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
    env: { ...process.env, PATH: path.join(delimiter) },
  });
  const stop = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  const code = await new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new Error('npm could not be started: is it installed?', { cause })));
    child.once('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, stop);
  if (code !== 0) throw new Error(`npm ci failed (exit ${code}); what it said stands above.`);
  process.stderr.write(`Installed in ${((Date.now() - started) / 1000).toFixed(0)} s.\n`);
}
