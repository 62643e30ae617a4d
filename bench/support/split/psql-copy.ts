import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { redactUrl } from '#database';
import { DDL, ROWS, TABLE } from './sample.js';
import { type SharedDatabase } from './shared-database.js';

/** @throws Error that says what to install */
export function requirePsql(): void {
  const folders = (process.env.PATH ?? '').split(delimiter);
  if (!folders.some((folder) => existsSync(join(folder, 'psql'))))
    throw new Error(
      'psql is not in the PATH, and copying is compared with it. Debian and Ubuntu: apt-get install postgresql-client',
    );
}

/**
 * What one would do otherwise: `psql -c "COPY t TO STDOUT" | psql -c "COPY t FROM STDIN"`, into a table with the same primary key.
 *
 * @returns seconds
 */
export async function copyByPsql(
  database: SharedDatabase,
  format: 'text' | 'binary',
  stop: AbortSignal,
): Promise<number> {
  await database.emptyTarget(DDL);
  await database.checkpoint();
  const { source, target } = database.urls;
  const pipeline = `psql -Xq "$SOURCE" -c "COPY ${TABLE} TO STDOUT (FORMAT ${format})" |
    psql -X "$TARGET" -c "COPY ${TABLE} FROM STDIN (FORMAT ${format})"`;
  const began = performance.now();
  const PGPASSWORD = decodeURIComponent(new URL(source).password);
  const said = await shell(pipeline, { SOURCE: redactUrl(source), TARGET: redactUrl(target), PGPASSWORD }, stop);
  const seconds = (performance.now() - began) / 1000;
  if (said.trim() !== `COPY ${ROWS}`) throw new Error(`psql said ${said}, and not COPY ${ROWS}`);
  await database.dropTarget();
  return seconds;
}

/** @returns what it writes to stdout */
function shell(command: string, env: Readonly<Record<string, string>>, stop: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', command], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH ?? '', ...env },
      // A group of its own, so that all of the pipeline can be ended.
      detached: true,
    });
    const end = (): void => void process.kill(-child.pid!, 'SIGTERM');
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    stop.addEventListener('abort', end, { once: true });
    child.once('error', reject);
    child.once('close', () => {
      stop.removeEventListener('abort', end);
      resolve(said);
    });
  });
}
