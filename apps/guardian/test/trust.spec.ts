import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { chmod, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { DataSource, type EntityManager } from 'typeorm';
import { createLogger, type Logger } from '#logging';
import { LOGGER } from '#service';
import { startService, waitFor, type TestDatabase } from '#testing';
import { guardian } from '../src/app.module.js';
import { CertificateSigner } from '../src/certificates/certificate-signer.js';
import { CertificatesRepository } from '../src/certificates/certificates.repository.js';
import { KeyFiles } from '../src/signing/key-files.js';
import { SigningKeys } from '../src/signing/signing-keys.js';
import { Harness } from './harness.js';

const PKCS8 = { type: 'pkcs8', format: 'pem' } as const;

describe('what a certificate rests on', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.start();
  });
  afterEach(() => harness.close());

  const validate = (agent: string) => harness.post('router', '/validate', { agent });
  /** The refusal that follows what somebody did to the database by hand; the hint of it is on its way. */
  const refused = (agent: string) =>
    waitFor('the refusal', async () => {
      const answer = await validate(agent);
      return answer.status === 403 && answer;
    });
  const sql = (text: string, values?: unknown[]) => harness.service.database.query(text, values);
  const keyPath = () => join(harness.service.environment.GRAVITAS_HOME!, 'keys', 'guardian-signing-key.pem');
  const listedStatus = async (agent: string) => {
    const answer = await harness.get('router', `/certificates?agent=${agent}`);
    return (answer.body as { certificates: { status: string }[] }).certificates[0]?.status;
  };

  it.each([
    ['expires_at', `expires_at + interval '1 year'`],
    ['issued_at', `issued_at - interval '1 second'`],
    ['capabilities', `'{everything}'`],
    ['version', '2'],
    ['statement', `replace(statement, '"version":1', '"version":2')`],
    ['signature', `reverse(signature)`],
  ])('a row whose %s was changed is no certificate, and the log says so', async (column, value) => {
    expect((await validate('Scout')).status).toBe(200);
    const logged = jest.spyOn(harness.service.app.get<Logger>(LOGGER), 'error');
    await sql(`UPDATE certificates SET ${column} = ${value} WHERE agent = 'Scout'`);
    const answer = await refused('Scout');
    expect([answer.status, answer.body]).toMatchObject([
      403,
      { detail: "Agent 'Scout' lacks a valid certificate", code: 'certificate_invalid' },
    ]);
    expect(logged).toHaveBeenCalledWith(
      expect.objectContaining({ agent: 'Scout' }),
      expect.stringMatching(/not what was signed/),
    );
    expect(await listedStatus('Scout')).toBe('invalid');
    expect(await harness.metric('validations_total{result="invalid"}')).toBe(1);
  });

  it("another agent's certificate does not serve", async () => {
    await sql(`UPDATE certificates SET agent = 'Impostor' WHERE agent = 'Librarian'`);
    expect((await validate('Impostor')).body).toMatchObject({ status: 403, code: 'certificate_invalid' });
  });

  it('a key that was put behind the id of another does not verify', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const [row] = await sql(`SELECT statement FROM certificates WHERE agent = 'Scout'`);
    const forged = (row as { statement: string }).statement.replace(/"expires_at":"\d{4}/, '"expires_at":"2999');
    await sql(`UPDATE signing_keys SET public_key = $1`, [pem]);
    await sql(
      `UPDATE certificates SET statement = $1::text, signature = $2, expires_at = ($1::text::jsonb ->> 'expires_at')::timestamptz
       WHERE agent = 'Scout'`,
      [forged, sign(null, Buffer.from(forged), privateKey).toString('base64url')],
    );
    expect((await validate('Scout')).body).toMatchObject({ code: 'certificate_invalid' });
  });

  it('the key is made with mode 0600, and is the same after a restart', async () => {
    expect((await stat(keyPath())).mode & 0o777).toBe(0o600);
    const before = await readFile(keyPath(), 'utf8');
    await harness.restart();
    expect(await readFile(keyPath(), 'utf8')).toBe(before);
    expect(await sql('SELECT key_id, public_key FROM signing_keys')).toEqual([
      {
        key_id: createHash('sha256')
          .update(createPublicKey(before).export({ type: 'spki', format: 'der' }))
          .digest('hex'),
        public_key: createPublicKey(before).export({ type: 'spki', format: 'pem' }),
      },
    ]);
    expect((await validate('Scout')).status).toBe(200);
  });

  it('what an earlier key signed stays valid after the file is replaced', async () => {
    await harness.service.stop();
    await rename(keyPath(), `${keyPath()}.old`);
    await harness.restart();
    expect(await sql('SELECT key_id FROM signing_keys')).toHaveLength(2);
    expect((await validate('Scout')).status).toBe(200);
    await harness.post('Supervisor', '/certificates', { agent: 'Scout', ttl: '1h' });
    expect((await validate('Scout')).status).toBe(200);
    expect(await sql(`SELECT DISTINCT key_id FROM certificates WHERE agent = 'Scout'`)).toHaveLength(2);
  });

  it('default agents are certified at their first boot only: revoked stays revoked', async () => {
    const agents = async () =>
      (await sql('SELECT agent FROM certificates ORDER BY agent')).map(({ agent }) => agent as string);
    expect(await agents()).toEqual(['Librarian', 'Scout', 'Supervisor', 'Supervisor_Managed_Agent']);
    const event = await harness.event('certificate.issue', { resource: 'guardian/certificates/Librarian' });
    expect(event).toMatchObject({ result: 'SUCCEEDED', metadata: { by: 'service:guardian' } });

    await harness.delete('Supervisor', '/certificates/Scout');
    await harness.restart({ GUARDIAN_DEFAULT_CERTIFICATES: 'Scout, Newcomer', GUARDIAN_CERTIFICATE_TTL: '2h' });
    expect(await agents()).toEqual(['Librarian', 'Newcomer', 'Scout', 'Supervisor', 'Supervisor_Managed_Agent']);
    expect((await validate('Scout')).status).toBe(403);
    const { body } = (await validate('Newcomer')) as { body: Record<string, string> };
    expect(Date.parse(body.expires_at!) - Date.parse(body.issued_at!)).toBe(7_200_000);
  });

  it('two instances that boot at once on the same home end with one key and one certificate an agent', async () => {
    const { database, environment } = harness.service;
    await harness.service.stop();
    await sql('DELETE FROM certificates');
    await sql('DELETE FROM signing_keys');
    await rm(keyPath());
    const { GUARDIAN_PORT: _, ...shared } = environment;
    const boot = (name: string) =>
      startService('guardian', guardian, {
        database,
        environment: { ...shared, AUDIT_SPOOL_DIR: join(shared.GRAVITAS_HOME!, name) },
      });
    const [one, two] = await Promise.all([boot('one'), boot('two')]);
    await two.stop();
    harness.service = one;
    expect(await sql('SELECT key_id FROM signing_keys')).toHaveLength(1);
    expect(await sql('SELECT serial FROM certificates')).toHaveLength(4);
  });

  it('instances that certify the default agents take turns: the second sees what the first has made', async () => {
    const { app } = harness.service;
    const [dataSource, certificates] = [app.get(DataSource), app.get(CertificatesRepository)];
    const waiting = () =>
      sql(
        `SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted`,
      );
    const key = await app.get(SigningKeys).usable();
    const missing = (manager: EntityManager) => certificates.withoutAny(manager, ['Scout', 'Newcomer']);
    let second: Promise<string[]> | undefined;
    await dataSource.transaction(async (manager) => {
      expect(await missing(manager)).toEqual(['Newcomer']);
      second = dataSource.transaction(missing);
      await waitFor('the second to wait', async () => (await waiting()).length === 1);
      const made = app.get(CertificateSigner).make(key, new Date(), 'Newcomer', 60, []);
      await certificates.insert(manager, made);
    });
    expect(await second).toEqual([]);
  });

  describe('a key file', () => {
    let directory: string;
    let database: TestDatabase;
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'gravitas-key-'));
      database = harness.service.database;
    });
    afterEach(() => rm(directory, { recursive: true, force: true }));

    const bootWith = (pem: string) =>
      writeFile(join(directory, 'key.pem'), pem, { mode: 0o600 }).then(() =>
        startService('guardian', guardian, {
          database,
          environment: {
            ...harness.service.environment,
            GUARDIAN_SIGNING_KEY_PATH: join(directory, 'key.pem'),
            AUDIT_SPOOL_DIR: join(directory, 'spool'),
          },
        }),
      );

    it.each([
      ['of another kind', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(PKCS8)],
      ['that is the public half', generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })],
      ['that is empty', ''],
    ])('%s stops the boot and is named', async (_, pem) => {
      await expect(bootWith(pem.toString())).rejects.toMatchObject({
        code: 'config_invalid',
        message: expect.stringMatching(/key\.pem: is not an Ed25519 private key/),
      });
    });

    it('that others can read is used, with a warning', async () => {
      const logger = createLogger({ service: 'guardian', level: 'silent' });
      const warn = jest.spyOn(logger, 'warn');
      await KeyFiles.open(keyPath(), logger);
      expect(warn).not.toHaveBeenCalled();
      await chmod(keyPath(), 0o644);
      await KeyFiles.open(keyPath(), logger);
      expect(warn).toHaveBeenCalledWith({ path: keyPath() }, expect.stringMatching(/chmod 600/));
    });
  });
});
