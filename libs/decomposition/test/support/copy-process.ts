import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plan } from '../../src/core/plan/plan.js';

const CORE = pathToFileURL(join(process.cwd(), 'dist/libs/decomposition/src/core/')).href;
const COPY = `
  const [, core, plan, service, last] = process.argv;
  const { openMove } = await import(core + 'move.js');
  const { copy } = await import(core + 'copy/copy.js');
  const progress = { note: () => undefined, at: (step) => step === last && process.kill(process.pid, 'SIGKILL') };
  const move = openMove(JSON.parse(plan), service, { progress });
  await copy(move);
  await move.close();`;

/** `copy` in a process of its own, as it is compiled, until it comes to a step. @returns whether it was killed before it was through */
export async function copyAndKill(plan: Plan, service: string, last: string): Promise<boolean> {
  const args = ['--no-warnings', '--input-type=module', '-e', COPY, CORE, JSON.stringify(plan), service, last];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env: {} });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== null && code !== 0) throw new Error(`the copying process ended with ${code}`);
  return code === null;
}
