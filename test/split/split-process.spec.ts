import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { Program, runProgram } from '../support/run-program.js';
import { planFolder, planText } from './run-split.js';

describe('npm run split, as a process', () => {
  let folder: Awaited<ReturnType<typeof planFolder>>;
  let down: string;
  beforeAll(async () => {
    folder = await planFolder();
    down = await folder.write(planText({ source: 'postgres://nobody:secret@127.0.0.1:1/nothing' }));
  });
  afterAll(() => folder.remove());

  it('is 2 for a verb that there is not, and 0 for help', async () => {
    expect(await runProgram('split', ['nonsense'])).toMatchObject({ code: 2, out: '' });
    expect(await runProgram('split', ['--help'])).toMatchObject({ code: 0, errors: '' });
  });

  it('watches until it is told to stop, and shows its metrics', async () => {
    const program = Program.start('split', ['watch', '--plan', down, '--alert', '--json', '--metrics-port', '0']);
    try {
      await waitFor('trouble with both', () => program.out.split('"trouble"').length > 2, 30_000);
      const [first, ...others] = program.out.trim().split('\n');
      const { url } = JSON.parse(first!) as { url: string };
      expect((await fetch(url)).headers.get('content-type')).toContain('text/plain');
      expect((await fetch(new URL('/other', url))).status).toBe(404);
      for (const line of others) expect(JSON.parse(line)).toMatchObject({ event: 'trouble', what: 'target' });
    } finally {
      program.child.kill('SIGTERM');
    }
    expect(await program.ended(20_000)).toMatchObject({ code: 0, errors: '' });
  });
});
