import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PostgresSink } from '#audit';
import { createPool } from '#database';
import { waitFor } from '#testing';
import { NoteSigner, NoteVerifier } from '#tlog';
import { logEvent, LoggedTrail, logSigner } from '../../apps/gatekeeper/test/support/logged-trail.js';
import { runProgram, type Ended } from '../support/run-program.js';

const NOW = new Date();
/** Noon of the 15th of a month, before this one. */
const monthsAgo = (months: number): Date =>
  new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() - months, 15, 12));
const nameOf = (months: number): string => monthsAgo(months).toISOString().slice(0, 7);
const partitionOf = (months: number): string => `audit_log_${nameOf(months).replace('-', '_')}`;

describe('npm run audit:verify, audit:export and audit:seal', () => {
  let home: string;
  let trail: LoggedTrail;
  let key: string;
  const keyPath = () => join(home, 'log-key.pem');

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'gravitas-verify-'));
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFile(keyPath(), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const signer = new NoteSigner('gravitas', Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'));
    key = signer.verifier.toString();
    trail = await LoggedTrail.make(signer);
    const events = Array.from({ length: 900 }, (_, i) =>
      logEvent(i % 3 === 0 ? 'Acme & Söhne/..' : 'default', i, i % 2 === 0 ? monthsAgo(i < 400 ? 2 : 1) : undefined),
    );
    await trail.write(events, 350);
    await trail.quiet();
  });
  afterAll(async () => {
    await trail.drop();
    await rm(home, { recursive: true });
  });

  const run = (script: string, args: string[], environment: Record<string, string> = {}): Promise<Ended> =>
    runProgram(script, args, { GRAVITAS_HOME: home, GATEKEEPER_LOG_KEY_PATH: keyPath(), ...environment });
  const verify = (args: string[], environment?: Record<string, string>) => run('audit-verify', args, environment);
  const listing = async (folder: string): Promise<Record<string, string>> => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const pairs = await Promise.all(
      files.map(async (file) => [file, (await readFile(file)).toString('base64')] as const),
    );
    return Object.fromEntries(pairs.sort());
  };

  it('tells by its exit code whether a trail is intact, tampered with, or cannot be told of', async () => {
    await trail.copied(async ({ notaryUrl, query }) => {
      const first = await verify(['--database', notaryUrl]);
      expect(first).toMatchObject({ code: 0 });
      expect(first.errors).toContain('It comes from this machine');
      expect(first.out).toMatch(/^tenant default: 600 events, \d+ tiles, \d+ checkpoints; root \S{44}$/m);
      expect(first.out).toMatch(/^Intact\.\n900 events in [\d.]+ s: \d+ events\/s\n$/m);
      expect(await readdir(join(home, 'verify'))).toEqual(['gravitas.json']);

      const other = logSigner('gravitas').verifier.toString();
      const wrong = await verify(['--database', notaryUrl, '--key', other, '--no-save']);
      expect(wrong).toMatchObject({ code: 1 });

      await query(`UPDATE audit_log SET reason = 'no' WHERE resource = 'shells/l1/100'`);
      const edited = await verify(['--database', notaryUrl, '--key', key, '--json', '--tenant', 'default']);
      expect(edited).toMatchObject({ code: 1, errors: '' });
      expect(JSON.parse(edited.out)).toMatchObject({
        intact: false,
        differences: [{ tenant: 'default', kind: 'event_changed', index: expect.any(Number) }],
      });

      for (const table of ['audit_log', 'tlog_trees', 'tlog_leaves', 'tlog_tiles', 'tlog_checkpoints'])
        await query(`DELETE FROM ${table} WHERE tenant_id = 'default'`);
      const gone = await verify(['--database', notaryUrl, '--key', key]);
      expect(gone).toMatchObject({ code: 1 });
      expect(gone.out).toMatch(/^tampered: tenant default, index 0: rolled_back: /m);
      expect(await verify(['--database', notaryUrl, '--key', key, '--no-save'])).toMatchObject({ code: 0 });
      // As GET /v1/audit/key tells it.
      const ofTenant = NoteVerifier.parse(key).named('gravitas/default').toString();
      expect(await verify(['--database', notaryUrl, '--key', ofTenant, '--no-save'])).toMatchObject({ code: 0 });
    });
    const nobody = { GATEKEEPER_LOG_KEY_PATH: join(home, 'nowhere.pem') };
    for (const [args, message] of [
      [['--dir', join(home, 'nowhere'), '--key', key], 'is not a folder that'],
      [['--dir', home], 'There is no key'],
      [['--database', 'postgres://127.0.0.1:1/x', '--key', key], 'Cannot read the trail'],
      [['--dir', home, '--key', 'nonsense'], 'neither a verifier key'],
      [['--dir', home, '--url', 'http://127.0.0.1:1'], 'Give one of'],
      [['--nonsense'], 'unknown option'],
    ] as const) {
      const ended = await verify([...args], nobody);
      expect(ended.code).toBe(2);
      expect(ended.errors).toContain(message);
    }
  }, 240_000);

  it('an export verifies offline, by the key alone, and served by any web server', async () => {
    const folder = join(home, 'export');
    const alone = ['--key', key, '--no-save'];
    await trail.copied(async ({ notaryUrl }) => {
      const written = await run('audit-export', ['--dir', folder, '--database', notaryUrl]);
      expect(written).toMatchObject({ code: 0 });
      expect(written.out).toContain('2 logs with 900 events, 900 of them written now');
      const before = await listing(folder);
      const again = await run('audit-export', ['--dir', folder, '--database', notaryUrl]);
      expect(again.out).toContain('2 logs with 900 events, 0 of them written now');
      expect(await listing(folder)).toEqual(before);
    });
    // The database is gone by now.
    const intact = await verify(['--dir', folder, ...alone]);
    expect(intact).toMatchObject({ code: 0 });
    expect(intact.out).toMatch(/^tenant default: 600 events/m);

    const server = await serve(folder, 'the token');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const by = (token: string, ...args: string[]) =>
        verify(['--url', url, ...alone, ...args], { GRAVITAS_TOKEN: token });
      const served = await by('the token');
      expect(served).toMatchObject({ code: 0 });
      expect(served.out).toMatch(/^tenant default: 600 events/m);
      expect(await by('another')).toMatchObject({ code: 2 });
      expect(await by('the token', '--tenant', 'nobody')).toMatchObject({ code: 2 });
      const bundle = join(folder, 'tlog/default/tile/entries/001');
      const bytes = await readFile(bundle);
      await writeFile(bundle, bytes.toString('latin1').replace('"ALLOWED"', '"DENIED_"'), 'latin1');
      for (const ended of [await by('the token'), await verify(['--dir', folder, ...alone])]) {
        expect(ended.code).toBe(1);
        expect(ended.out).toMatch(/^tampered: tenant default, index 25[67]: event_changed/m);
      }
      await writeFile(bundle, bytes);
    } finally {
      server.close();
    }

    const tile = join(folder, 'tlog/default/tile/0/000');
    const hashes = await readFile(tile);
    await writeFile(tile, hashes.fill(0, 32 * 9, 32 * 10));
    expect((await verify(['--dir', folder, ...alone])).out).toMatch(
      /^tampered: tenant default, index 9: (?:event|tile)_changed/m,
    );
  }, 240_000);

  it('a sealed month may go, as a whole', async () => {
    const folder = join(home, 'sealed');
    await trail.copied(async ({ notaryUrl, runtimeUrl, query }) => {
      const seal = (months: number) => run('audit-seal', ['--month', nameOf(months), '--database', notaryUrl]);
      const check = () => verify(['--database', notaryUrl, '--key', key, '--no-save']);
      // Not the one of today, which may be over at midnight.
      expect(await seal(-1)).toMatchObject({ code: 2, errors: expect.stringContaining('is not over yet') });
      expect(await seal(30)).toMatchObject({ code: 2, errors: expect.stringContaining('has no month') });

      const sealed = await seal(2);
      expect(sealed).toMatchObject({ code: 0 });
      expect(sealed.out).toMatch(/^tenant default: 133 events, leaves \d+ to \d+ of 600$/m);
      expect(sealed.out).toContain(`${nameOf(2)} is sealed now`);
      expect((await seal(2)).out).toContain('was sealed before, and nothing came since');

      const sink = new PostgresSink(createPool(runtimeUrl, 'late', 1, () => undefined));
      await sink.write([logEvent('default', 7, monthsAgo(2))]);
      await sink.close();
      expect(await seal(2)).toMatchObject({ code: 2, errors: expect.stringContaining('1 events of') });
      const sequencer = trail.sequencer(notaryUrl);
      sequencer.start();
      await waitFor('the late event', async () => {
        const [tree] = await query<{ size: string }>(`SELECT size FROM tlog_trees WHERE tenant_id = 'default'`);
        return tree?.size === '601';
      }).finally(() => sequencer.stop());
      const noticed = await check();
      expect(noticed).toMatchObject({ code: 0 });
      expect(noticed.out).toMatch(/^tenant default: 1 event of sealed months came after the seal/m);
      expect((await seal(2)).out).toMatch(/^tenant default: 134 events, leaves \d+ to 600 of 601$/m);
      expect((await check()).out).not.toContain('after the seal');

      await query(`DELETE FROM audit_log WHERE resource = 'shells/l1/2'`);
      const one = await check();
      expect(one.out).toMatch(/^tampered: tenant default, index \d+: event_missing/m);

      await query(`ALTER TABLE audit_log DETACH PARTITION ${partitionOf(2)}`);
      await query(`DROP TABLE ${partitionOf(2)}`);
      const dropped = await check();
      expect(dropped).toMatchObject({ code: 0 });
      expect(dropped.out).toMatch(/^tenant default: 601 events \(134 of them dropped under a seal\)/m);

      expect(await run('audit-export', ['--dir', folder, '--database', notaryUrl])).toMatchObject({ code: 0 });
      const ofTenant = NoteVerifier.parse(key).named('gravitas/default').toString();
      expect(await verify(['--dir', folder, '--key', ofTenant, '--no-save'])).toMatchObject({ code: 0 });
      const exported = await verify(['--dir', folder, '--key', key, '--no-save']);
      expect(exported).toMatchObject({ code: 0 });
      expect(exported.out).toMatch(/^tenant default: 601 events \(134 of them dropped under a seal\)/m);

      // One that is not sealed is not to go.
      await query(`DELETE FROM audit_log WHERE resource = 'shells/l1/402'`);
      await query(
        `UPDATE tlog_leaves l SET times = (SELECT array_agg(CASE WHEN a.id IS NULL THEN $1::timestamptz ELSE t END ORDER BY n)
           FROM unnest(l.ids, l.times) WITH ORDINALITY AS e (i, t, n) LEFT JOIN audit_log a ON a.id = i AND a.timestamp = t)
         WHERE true`,
        [monthsAgo(2)],
      );
      const hidden = await check();
      expect(hidden).toMatchObject({ code: 1 });
      expect(hidden.out).toMatch(/^tampered: tenant \S.*, index \d+: seal: /m);

      await query(`UPDATE audit_seals SET statement = replace(statement, '134', '135')`);
      const forged = await check();
      expect(forged).toMatchObject({ code: 1 });
      expect(forged.out).toMatch(/^tampered: tenant \*, index 0: seal: the seal of /m);
      await query('DELETE FROM audit_seals');
      expect((await check()).out).toMatch(/^tampered: tenant default, index \d+: event_missing/m);
    });
  }, 240_000);
});

/** Serves an exported folder below /v1/audit, to whoever has the token. */
async function serve(folder: string, token: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent((request.url ?? '').replace('/v1/audit/', '')));
    if (request.headers.authorization !== `Bearer ${token}`) response.writeHead(401).end();
    else
      readFile(join(folder, path)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
