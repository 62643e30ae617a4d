import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plan } from '../../src/core/plan/plan.js';

const CORE = pathToFileURL(join(process.cwd(), 'dist/libs/decomposition/src/core/')).href;
const COPY = `
  const [, core, plan, service] = process.argv;
  const { openMove } = await import(core + 'move.js');
  const { copy } = await import(core + 'copy/copy.js');
  const progress = { note: () => undefined, at: (step, done) => console.log(step + ' ' + done) };
  const move = openMove(JSON.parse(plan), service, { progress });
  await copy(move);
  await move.close();
  console.log('done');`;

/** `copy` in a process of its own, as it is compiled, until it says something. @returns whether it was killed before it was through */
export async function copyAndKill(plan: Plan, service: string, when: (line: string) => boolean): Promise<boolean> {
  const args = ['--no-warnings', '--input-type=module', '-e', COPY, CORE, JSON.stringify(plan), service];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  const gone = once(child, 'exit');
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    const lines = (said + data.toString()).split('\n');
    said = lines.pop()!;
    if (lines.some(when)) child.kill('SIGKILL');
  });
  const [code] = (await gone) as [number | null];
  if (code !== null && code !== 0) throw new Error(`the copying process ended with ${code}`);
  return code === null;
}
