import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.mjs';

const SOURCES = ['apps', 'libs', 'scripts', 'bench'];
const CONFIG = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/**
 * Compiles into dist/ unless it is up to date: the stamp holds a hash over path, time and size of every source.
 * `lenient` goes on after type errors (tsc writes its output all the same) as long as everything was written.
 */
export async function build(root, { lenient = false } = {}) {
  if (isBuilt(root)) return;
  await withLock(join(root, 'dist', '.setup-lock'), async () => {
    if (isBuilt(root)) return;
    process.stderr.write('Building ...\n');
    const started = Date.now();
    const fingerprint = fingerprintOf(root);
    const ok = compile(root);
    if (!ok && !lenient) throw new Error('The build failed; what tsc said stands above.');
    removeOrphans(root);
    if (ok) writeFileSync(stampFile(root), fingerprint);
    const how = ok ? 'Built' : 'Built, with the type errors above,';
    process.stderr.write(`${how} in ${((Date.now() - started) / 1000).toFixed(1)} s.\n`);
  });
}

const stampFile = (root) => join(root, 'dist', '.built');

function isBuilt(root) {
  return existsSync(stampFile(root)) && readFileSync(stampFile(root), 'utf8') === fingerprintOf(root);
}

function compile(root) {
  mkdirSync(join(root, 'dist'), { recursive: true });
  // Files that are missing although tsc's notes say they are written would never be written again.
  if (!existsSync(join(root, 'dist', 'scripts'))) removeBuildInfo(root);
  rmSync(stampFile(root), { force: true });
  const bin = join(root, 'node_modules', '.bin');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  // stdout belongs to the command that follows.
  const { status } = spawnSync(join(bin, 'node'), [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  return status === 0;
}

function removeBuildInfo(root) {
  for (const name of readdirSync(join(root, 'dist'))) {
    if (name.endsWith('.tsbuildinfo')) rmSync(join(root, 'dist', name));
  }
}

function fingerprintOf(root) {
  const hash = createHash('sha256');
  const files = [...CONFIG, ...SOURCES.flatMap((folder) => list(root, folder, '.ts'))];
  for (const file of files) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file}\0${mtimeMs}\0${size}\n`);
  }
  return hash.digest('hex');
}

/** What a deleted or renamed source left in dist/ could still be imported, or run as a migration. */
function removeOrphans(root) {
  for (const folder of SOURCES) {
    for (const file of list(join(root, 'dist'), folder, '.js')) {
      if (existsSync(join(root, file.replace(/\.js$/, '.ts')))) continue;
      rmSync(join(root, 'dist', file), { force: true });
      rmSync(join(root, 'dist', `${file}.map`), { force: true });
    }
  }
}

function list(base, folder, suffix) {
  const directory = join(base, folder);
  if (!existsSync(directory)) return [];
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return list(base, path, suffix);
    return entry.name.endsWith(suffix) ? [path] : [];
  });
}
