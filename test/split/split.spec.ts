import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SplitError, type SplitErrorCode, type SwitchResult, type Verbs, type VerifyResult } from '#decomposition';
import { createTestDatabase, type TestDatabase } from '#testing';
import { planFolder, planText, runSplit, type SplitOptions } from './run-split.js';

const NOWHERE = 'postgres://nobody:secret@127.0.0.1:1/nothing';
const EQUAL: VerifyResult = {
  ...{ clean: true, tables: [], rows_per_s: 1000, differences: [], difference_count: 0, repaired: 0 },
};
const SWITCHED: SwitchResult = { did: 'switched', would: '', gates: [], pause_ms: 80, participants: 2, steps: [] };

describe('npm run split', () => {
  let source: TestDatabase;
  let folder: Awaited<ReturnType<typeof planFolder>>;
  let plan: string;
  let down: string;

  beforeAll(async () => {
    source = await createTestDatabase('lobby');
    await source.query('CREATE TABLE things (id int PRIMARY KEY); CREATE TABLE parts (id int PRIMARY KEY)');
    folder = await planFolder();
    const absent = source.superuserUrl.replace(source.name, 'split_never_made');
    plan = await folder.write(planText({ source: source.superuserUrl, target: absent }));
    down = await folder.write(planText({ source: NOWHERE }));
  });

  afterAll(async () => {
    await folder.remove();
    await source.drop();
  });

  const run = (line: string, options?: SplitOptions) => runSplit([...line.split(' '), '--plan', plan], options);
  const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

  describe('what is typed', () => {
    it.each([
      [['nonsense'], "unknown command 'nonsense'"],
      [['copy'], "required option '--plan <file>' not specified"],
      [['copy', '--plan', 'x', '--nonsense'], "unknown option '--nonsense'"],
      [['switch-reads', '--plan', 'x'], "required option '--percent <share>' not specified"],
      [['switch-reads', '--plan', 'x', '--percent', '101'], 'Give a whole number from 0 to 100.'],
      [['switch-reads', '--plan', 'x', '--percent', '1.5'], 'Give a whole number from 0 to 100.'],
    ])('%j is bad usage', async (args, message) => {
      expect(await runSplit(args)).toMatchObject({ code: 'usage', errors: expect.stringContaining(message) });
    });

    it.each([
      'plan',
      'backup',
      'restore',
      'create',
      'copy',
      'verify',
      'switch-reads',
      'switch-writes',
      'reverse',
      'complete',
      'abandon',
      'watch',
      'status',
      'sample',
    ])('%s has help that names exit codes', async (verb) => {
      const { out } = await runSplit([verb, '--help']);
      expect(out).toMatch(/Usage: split [^]*--dry-run[^]*--json[^]*Exit code 0: done/);
    });

    it('takes one service, more, or all, in the order of the plan', async () => {
      const asked: string[] = [];
      const verify: Verbs['verify'] = ({ service }) => Promise.resolve((asked.push(service.name), EQUAL));
      await run('verify --service second --service first', { library: { verify } });
      await run('verify --all', { library: { verify } });
      expect(asked).toEqual(['first', 'second', 'first', 'second']);
      expect(await run('verify', { library: { verify } })).toMatchObject({
        code: 2,
        errors: 'No service is named.\nGive --service NAME (first, second), or --all.\n',
      });
      expect(await run('verify --service third', { library: { verify } })).toMatchObject({
        code: 2,
        errors: 'The plan has no service "third".\nIt has: first, second.\n',
      });
    });
  });

  describe('the plan', () => {
    it.each([
      ['no file', '/nowhere/plan.yaml', 'no such file or directory'],
      ['not a plan', 'name: 3', 'The plan is not valid'],
      ['a variable that is not set', 'name: x\nsource: ${SHARED_URL}', '${SHARED_URL} is not set in the environment'],
    ])('%s is 2, and says so', async (_, given, message) => {
      const file = given.startsWith('/') ? given : await folder.write(given);
      const end = await runSplit(['status', '--plan', file]);
      expect(end).toMatchObject({ code: 2, errors: expect.stringContaining(message) });
      const told = json((await runSplit(['status', '--plan', file, '--json'])).out);
      expect(told).toMatchObject({ verb: 'status', exit_code: 2, error: { code: 'invalid_plan' } });
    });
  });

  describe('exit codes', () => {
    it.each<[SplitErrorCode, number]>([
      ['refused', 1],
      ['different', 1],
      ['busy', 1],
      ['not_created', 1],
      ['invalid_plan', 2],
      ['timeout', 2],
      ['interrupted', 130],
    ])('of %s is %d, with the next step', async (code, expected) => {
      const copy = () => Promise.reject(new SplitError(code, 'It is not so.', 'Do this.'));
      const end = await run('copy --service first', { library: { copy } });
      expect(end).toEqual({ code: expected, out: '', errors: 'It is not so.\nDo this.\n' });
      const told = json((await run('copy --service first --json', { library: { copy } })).out);
      expect(told).toEqual({
        verb: 'copy',
        exit_code: expected,
        services: { first: { error: { exitCode: expected, code, message: 'It is not so.', next: 'Do this.' } } },
      });
    });

    it('of anything else is 2, and of a difference 1; nothing comes after a service that failed', async () => {
      const copy = () => Promise.reject(new Error('connection refused'));
      expect(await run('copy --service first', { library: { copy } })).toMatchObject({ code: 2 });
      const asked: string[] = [];
      const verify: Verbs['verify'] = ({ service }) => {
        asked.push(service.name);
        const differences = [
          { table: 'public.things', key: ['7'], kind: 'missing', detail: 'the target has no such row' },
        ];
        return Promise.resolve({ ...EQUAL, clean: false, differences, difference_count: 3 });
      };
      const { code, out } = await run('verify --all', { library: { verify } });
      expect([code, asked]).toEqual([1, ['first']]);
      expect(out).toContain('first: missing: public.things (7): the target has no such row\nfirst: and 2 more\n');
    });
  });

  describe('what cannot simply be undone', () => {
    const library = {
      switchWrites: () => Promise.resolve(SWITCHED),
      verify: () => Promise.resolve(EQUAL),
      complete: () => Promise.resolve({ ...SWITCHED, did: 'dropped', drop_after: null, report: [] }),
      abandon: () => Promise.resolve({ did: 'abandoned', would: '', phase: 'in_step', late: [] }),
    };

    it.each(['switch-writes', 'verify --repair', 'complete --now', 'abandon'])(
      '%s wants to be confirmed',
      async (line) => {
        const end = await run(`${line} --service first`, { library });
        expect(end).toMatchObject({ code: 1, errors: expect.stringContaining('Give --yes to confirm it.') });
        expect(await run(`${line} --service first --yes`, { library })).toMatchObject({ code: 0 });
        expect(await run(`${line} --service first`, { library, typed: 'first' })).toMatchObject({ code: 0 });
        expect(await run(`${line} --service first`, { library, typed: 'second' })).toMatchObject({
          code: 1,
          errors: expect.stringContaining('That was not first. Nothing was begun.'),
        });
      },
    );

    it.each(['verify', 'complete'])('%s alone does not', async (line) => {
      expect(await run(`${line} --service first`, { library })).toMatchObject({ code: 0 });
    });
  });

  describe('--dry-run', () => {
    it('is handed on to a verb that has one, without asking, and a shut gate is a finding', async () => {
      const gates = [{ name: 'lag', ok: false, reason: '3.0 s behind', next: 'Wait.' }];
      const switchWrites: Verbs['switchWrites'] = (_, { dryRun }) => {
        expect(dryRun).toBe(true);
        return Promise.resolve({ ...SWITCHED, did: 'nothing', would: 'let the target take the writes', gates });
      };
      const end = await run('switch-writes --service first --dry-run', { library: { switchWrites } });
      expect(end.code).toBe(1);
      expect(end.out).toContain('first: gate lag: SHUT: 3.0 s behind. Wait.\n');
    });

    it('of a verb without one looks at the phase, and begins nothing', async () => {
      const copy = () => Promise.reject(new Error('must not be called'));
      const end = await run('copy --service first --dry-run', { library: { copy } });
      expect(end).toMatchObject({ code: 1, out: 'first: refused: copy is not for phase none; next comes create\n' });
      const down2 = await runSplit(['copy', '--service', 'first', '--dry-run', '--plan', down], { library: { copy } });
      expect(down2).toMatchObject({ code: 2, out: expect.stringContaining('cannot be reached') });
    });

    it('of a verb for the whole plan says its steps', async () => {
      expect(await run('backup --dir /nowhere --dry-run')).toMatchObject({
        code: 0,
        out: 'would 1. take one snapshot of the source\nwould 2. export each table\nwould 3. write the manifest\n',
      });
    });
  });

  describe('create', () => {
    it('names all variables with passwords that are missing, and hands over those that are there', async () => {
      const create: Verbs['create'] = (move, { passwords }) => {
        const { owner, runtime } = move.service;
        expect([passwords(owner), passwords(runtime)]).toEqual(['one', 'two']);
        return Promise.resolve({ database: 'x', made: ['table public.things'], deferred: [], cut: [] });
      };
      const library = { create };
      expect(await run('create --service first', { library })).toMatchObject({
        code: 2,
        errors: expect.stringContaining('FIRST_OWNER_PASSWORD, FIRST_PASSWORD are not set.'),
      });
      const env = { FIRST_OWNER_PASSWORD: 'one', FIRST_PASSWORD: 'two' };
      expect(await run('create --service first', { library, env })).toMatchObject({
        code: 0,
        out: expect.stringContaining('made table public.things'),
      });
    });
  });

  describe('status', () => {
    it('shows all services', async () => {
      const { code, out } = await run('status');
      expect(code).toBe(0);
      expect(out).toMatch(/^service +phase [^]*^first +not created [^]*^ {2}next: create\nsecond +not created /m);
      expect(json((await run('status --json --service second')).out)).toMatchObject({
        verb: 'status',
        exit_code: 0,
        services: [{ service: 'second', phase: null, next: 'create' }],
      });
    });

    it('says which servers are down, with 2', async () => {
      const end = await runSplit(['status', '--plan', down]);
      expect(end.code).toBe(2);
      expect(end.out).toMatch(
        /first +unknown [^]*blocked: the source of first cannot be reached: connect ECONNREFUSED/,
      );
      expect(end.out).not.toContain('secret');
    });
  });

  it('prints progress to stderr only, at most a line a second', async () => {
    const copy: Verbs['copy'] = ({ progress }) => {
      progress.note('Copying.');
      // Two seconds and a half, whatever the machine does meanwhile.
      const began = Date.now();
      const clock = jest.spyOn(Date, 'now');
      for (let i = 0; i <= 1000; i++) {
        clock.mockReturnValue(began + 2.5 * i);
        progress.at('public.things', i, 1000, 'rows');
      }
      clock.mockRestore();
      return Promise.resolve({ phase: 'in_step', rows: 1000, seconds: 0.5 });
    };
    const { out, errors } = await run('copy --service first --json', { library: { copy } });
    expect(json(out)).toMatchObject({ services: { first: { phase: 'in_step', rows: 1000 } } });
    const lines = errors.split('\n').filter((line) => line.startsWith('public.things'));
    expect([2, 3]).toContain(lines.length);
    expect(errors).toContain('Copying.');
  });
});
