import { randomUUIDv7 } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DeadLetters } from '#audit';
import { auditEvent, type AuditEvent } from '#contracts';
import { startService, TEST_SERVICE_KEY, type TestService } from '#testing';
import { gatekeeper } from '../../apps/gatekeeper/src/app.module.js';
import { runProgram } from '../support/run-program.js';

/** What the trail is made to refuse for a while. */
const REFUSED = 'refused';

const event = (action = 'inference'): AuditEvent =>
  auditEvent.parse({
    id: randomUUIDv7(),
    timestamp: new Date().toISOString(),
    service: 'router',
    action,
    resource: 'shells/l1/echo',
    result: 'SUCCEEDED',
  });

describe('npm run audit:redrive', () => {
  let service: TestService;
  let directory: string;
  let letters: DeadLetters;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
  });
  afterAll(() => service.close());
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-redrive-'));
    letters = new DeadLetters(directory);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const run = (args: string[] = [], environment: Record<string, string> = {}) =>
    runProgram('audit-redrive', ['--service', 'router', '--dir', directory, '--url', service.url, ...args], {
      SERVICE_KEY: TEST_SERVICE_KEY,
      ...environment,
    });
  const inTrail = async (ids: string[]) => {
    const rows = await service.database.query('SELECT id FROM audit_log WHERE id = ANY($1::uuid[])', [ids]);
    return rows.map(({ id }) => id as string).sort();
  };

  it('delivers what the trail takes by now, keeps the rest with the new reason, and delivers that when it can', async () => {
    await service.database.query(`ALTER TABLE audit_log ADD CONSTRAINT refuses CHECK (action <> '${REFUSED}')`);
    const [fine, old] = [Array.from({ length: 7 }, () => event()), event(REFUSED)];
    for (const each of [...fine.slice(0, 4), old, ...fine.slice(4)]) await letters.add(each, 'was refused');
    const first = await run();
    expect(first).toMatchObject({ code: 1, errors: '' });
    expect(first.out).toMatch(/^router: 7 delivered$/m);
    expect(first.out).toMatch(new RegExp(`^router: 1 stay: .*the trail cannot hold.* \\(${old.id}\\)$`, 'm'));
    expect(await inTrail([...fine, old].map(({ id }) => id))).toEqual(fine.map(({ id }) => id).sort());

    const listed = await run(['--dry-run']);
    expect(listed.code).toBe(1);
    expect(listed.out).toMatch(
      new RegExp(`^router: ${old.id} ${old.timestamp} ${REFUSED}: .*the trail cannot hold`, 'm'),
    );
    expect(listed.out).toMatch(/^router: 1 dead letters in /m);

    await service.database.query('ALTER TABLE audit_log DROP CONSTRAINT refuses');
    await letters.add(fine[0]!, 'was refused');
    const second = await run();
    expect(second).toMatchObject({ code: 0 });
    expect(second.out).toMatch(/^router: 2 delivered \(1 of them were there before\)$/m);
    expect(await inTrail([old.id])).toEqual([old.id]);
    expect(await readdir(directory)).toEqual([]);
    expect(await run()).toMatchObject({ code: 0, out: 'router: no dead letters\n' });
  });

  it('loses nothing, and says so, when the gatekeeper does not answer', async () => {
    await letters.add(event(), 'was refused');
    const { code, out } = await run(['--url', 'http://127.0.0.1:1']);
    expect(code).toBe(2);
    expect(out).toMatch(/^router: The gatekeeper service does not answer/m);
    expect(out).toMatch(/^router: nothing is lost; 1 dead letters wait in /m);
    expect(await letters.count()).toBe(1);
    expect(await run()).toMatchObject({ code: 0 });
  });

  it('takes a service key that is not the right one for no answer either', async () => {
    await letters.add(event(), 'was refused');
    const { code, out } = await run([], { SERVICE_KEY: 'another key, thirty-two characters or more' });
    expect({ code, out }).toMatchObject({ code: 2 });
    expect(out).toContain('nothing is lost');
    expect(await letters.count()).toBe(1);
  });

  it('looks through the spools of all services of the local stack', async () => {
    const home = join(directory, 'home');
    const environment = { GRAVITAS_HOME: home, GATEKEEPER_URL: service.url };
    await new DeadLetters(join(home, 'spool', 'lobby')).add(event(), 'was refused');
    const { code, out } = await runProgram('audit-redrive', [], { SERVICE_KEY: TEST_SERVICE_KEY, ...environment });
    expect({ code, out: out.split('\n').sort() }).toEqual({
      code: 0,
      out: [
        '',
        'gatekeeper: no dead letters',
        'guardian: no dead letters',
        'lobby: 1 delivered',
        'router: no dead letters',
        'telemetry: no dead letters',
      ],
    });
  });

  it.each([
    ['a directory that is not there', ['--dir', '/none']],
    ['a service that is not there', ['--service', 'butler']],
    ['an unknown option', ['--forget']],
  ])('refuses %s with exit code 2', async (_name, args) => {
    expect(await run(args)).toMatchObject({ code: 2, errors: expect.stringMatching(/\S/) });
  });
});
