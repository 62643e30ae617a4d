import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { Program, runProgram } from '../support/run-program.js';
import { processesWith } from './processes-with.js';

/** Where a run with this pid keeps everything. */
const ownedBy = (program: Program) => `gravitas-test-${program.child.pid}-`;

/** A server whose pid file is gone may take a moment to end. */
const nothingRuns = (program: Program) =>
  waitFor('the end of everything', async () => (await processesWith(ownedBy(program))).length === 0);

describe('npm run crash', () => {
  it('loses and doubles nothing that was acknowledged in 25 kills, and leaves nothing running', async () => {
    const program = Program.start('crash', ['25']);
    const { code, out, errors } = await program.ended(230_000);
    expect({ code, out, errors }).toMatchObject({ code: 0 });
    expect(out).toMatch(/^25 kills, durability process, seed \d+$/m);
    for (const scenario of ['up', 'stopped', 'killed'])
      expect(out).toMatch(new RegExp(`^PostgreSQL ${scenario}( +\\d+){7}$`, 'm'));
    expect(out).toMatch(/^all +25 /m);
    expect(out).toMatch(/^longest replay: [1-9]\d* events in \d+ ms$/m);
    expect(out).toMatch(/^25 kills: everything acknowledged is in the trail exactly once, in order\.$/m);
    expect(errors).toMatch(/^25 of 25 kills, [1-9]\d* events acknowledged$/m);
    await nothingRuns(program);
  }, 240_000);

  it('has acknowledgements survive in durability disk too', async () => {
    const { code, out } = await runProgram('crash', ['3', '--durability', 'disk', '--seed', '3']);
    expect({ code, out }).toMatchObject({ code: 0 });
    expect(out).toMatch(/^3 kills, durability disk, seed 3$/m);
  });

  it('finds out when something acknowledged is lost, names it, and keeps the spool', async () => {
    const { code, out } = await runProgram('crash', ['10', '--unsafe', '--seed', '1']);
    expect({ code, out }).toMatchObject({ code: 1 });
    expect(out).toMatch(/^lost: [1-9]\d*$/m);
    expect(out).not.toContain('exactly once');
    const [, id] = /^ {2}([0-9a-f-]{36})$/m.exec(out)!;
    const [, kept] = /are kept in (.+)$/m.exec(out)!;
    expect((await readdir(kept!)).sort()).toEqual(['findings.json', 'spool', 'spool-before-it-was-drained']);
    const findings = JSON.parse(await readFile(join(kept!, 'findings.json'), 'utf8')) as {
      seed: number;
      lost: string[];
    };
    expect(findings).toMatchObject({ seed: 1, doubled: [] });
    expect(findings.lost).toContain(id);
  });

  it('can be interrupted, and leaves nothing running', async () => {
    const program = Program.start('crash', ['1000']);
    try {
      await waitFor(
        'a recorder',
        async () => (await processesWith(ownedBy(program))).some((c) => c.includes('recorder')),
        30_000,
      );
    } finally {
      program.child.kill('SIGINT');
    }
    expect(await program.ended(60_000)).toMatchObject({ code: 130 });
    await nothingRuns(program);
  });

  it.each([
    ['no number', ['many']],
    ['no kill at all', ['0']],
    ['a durability that promises nothing', ['--durability', 'memory']],
    ['an unknown option', ['--help-me']],
  ])('refuses %s with exit code 2', async (_name, args) => {
    const { code, errors } = await runProgram('crash', args);
    expect({ code, errors }).toEqual({ code: 2, errors: expect.stringMatching(/^error: /) });
  });

  it('explains itself', async () => {
    const { code, out } = await runProgram('crash', ['--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/Exit code 0: nothing was lost or doubled; 1: something was; 2: cannot tell\./);
    expect(out).not.toContain('unsafe');
  });
});
