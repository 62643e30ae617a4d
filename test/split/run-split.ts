import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type Verbs } from '#decomposition';
import { split, type Surroundings } from '../../scripts/split/cli.js';

export interface SplitEnd {
  /** `usage` when commander had something to say. */
  code: number | 'usage';
  out: string;
  errors: string;
}

/** Two services of a source; `servers` says where. */
export function planText(servers: { source: string; target?: string }): string {
  const target = servers.target ?? 'postgres://nobody:secret@127.0.0.1:1/nothing';
  const service = (name: string, table: string): string => `
  ${name}:
    target: ${target}
    owner: { name: ${name}_owner, password_env: ${name.toUpperCase()}_OWNER_PASSWORD }
    runtime: { name: ${name}, password_env: ${name.toUpperCase()}_PASSWORD }
    tables: [${table}]`;
  return `name: two\nsource: ${servers.source}\nservices:${service('first', 'things')}${service('second', 'parts')}\n`;
}

/** A folder for plans. */
export async function planFolder(): Promise<{
  write: (text: string) => Promise<string>;
  remove: () => Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'split-plans-'));
  let count = 0;
  return {
    write: async (text) => {
      const file = join(folder, `plan-${count++}.yaml`);
      await writeFile(file, text);
      return file;
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

export interface SplitOptions {
  library?: Partial<Verbs>;
  env?: Surroundings['env'];
  /** What somebody types; without it there is no terminal. */
  typed?: string;
}

/** The command, in this process. */
export async function runSplit(args: readonly string[], options: SplitOptions = {}): Promise<SplitEnd> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const end: SplitEnd = { code: 'usage', out: '', errors: '' };
  output.on('data', (data: Buffer) => (end.out += data.toString()));
  errors.on('data', (data: Buffer) => (end.errors += data.toString()));
  if (options.typed !== undefined) {
    Object.assign(input, { isTTY: true });
    input.write(`${options.typed}\n`);
  }
  const library = { openStream: () => ({ lag: () => Promise.reject(new Error('no stream')) }), ...options.library };
  const streams = { input, output, errors } as unknown as Pick<Surroundings, 'input' | 'output' | 'errors'>;
  const code = await split(args, { env: options.env ?? {}, library, ...streams }).catch((error: Error) => {
    if (error.constructor.name === 'CommanderError') return 'usage' as const;
    throw error;
  });
  return { ...end, code };
}
