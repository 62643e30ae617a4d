import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type App } from './apps.js';

export interface TypeormRun {
  app: App;
  action: string;
  /** Further arguments. */
  args?: readonly string[];
  /** Added to our own environment: the URLs of the database. */
  settings: Readonly<Record<string, string>>;
  /** Where its output goes; ours when not given. */
  output?: 'stderr';
}

/** Runs TypeORM's own command line on one service's migrations. Resolves with its exit code; signals reach it, too. */
export async function typeormCli({ app, action, args = [], settings, output }: TypeormRun): Promise<number> {
  // Its package exports no path to its command line.
  const cli = join('node_modules', 'typeorm', 'cli.js');
  const dataSource = join('dist', 'apps', app, 'src', 'data-source.js');
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', cli, `migration:${action}`, ...args, '-d', dataSource],
    { stdio: output === 'stderr' ? ['ignore', 2, 2] : 'inherit', env: { ...process.env, ...settings } },
  );
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, forward);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 1));
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}
