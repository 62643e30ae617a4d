import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** Types, maps and texts: many files, and Node reads none of them. */
const NEVER_LOADED = /\.(d\.[cm]?ts|map|md)$/;

interface LockedPackage {
  dev?: boolean;
  optional?: boolean;
}

/**
 * Makes `<directory>/node_modules` hold what `npm ci --omit=dev` installs, and nothing else: from GRAVITAS_PRODUCTION_MODULES (a
 * node_modules that npm made so), otherwise copied out of the checkout's by what package-lock.json says, which needs no network.
 */
export async function installProductionPackages(directory: string): Promise<string> {
  const target = join(directory, 'node_modules');
  const given = process.env['GRAVITAS_PRODUCTION_MODULES'];
  if (given) {
    await symlink(resolve(given), target);
    return target;
  }
  const lock = JSON.parse(await readFile('package-lock.json', 'utf8')) as { packages: Record<string, LockedPackage> };
  const wanted = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev);
  await mkdir(target, { recursive: true });
  // A package below another one's node_modules comes after that one.
  const depth = (path: string) => path.split('node_modules/').length;
  for (const level of new Set(wanted.map(([path]) => depth(path)).sort())) {
    const copies = wanted
      .filter(([path]) => depth(path) === level)
      .map(([path, locked]) => copy(path, directory, locked));
    await Promise.all(copies);
  }
  return target;
}

async function copy(path: string, directory: string, { optional }: LockedPackage): Promise<void> {
  const from = resolve(path);
  const wanted = (source: string) => !source.startsWith(join(from, 'node_modules')) && !NEVER_LOADED.test(source);
  const to = join(directory, path);
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { recursive: true, filter: wanted }).catch((error: NodeJS.ErrnoException) => {
    if (!optional || error.code !== 'ENOENT') throw error;
  });
}
