import { createPublicKey, verify } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type TestService } from '#testing';
import { AuditTrail } from '#audit';
import { ServiceError } from '#errors';
import { KeyFiles } from '../src/signing/key-files.js';
import { Harness } from './harness.js';

interface Key {
  key_id: string;
  public_key: string;
  created_at: string;
  retired_at: string | null;
  revoked_at: string | null;
  current: boolean;
}
interface Issued {
  agent: string;
  statement: string;
  signature: string;
  key_id: string;
}

describe('the signing keys', () => {
  let harness: Harness;
  beforeEach(async () => {
    // So many that no call waits for one: with a slow disk it would be refused.
    harness = await Harness.start({ GUARDIAN_DATABASE_POOL: '30' });
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await harness.close();
  });

  const sql = (text: string, values?: unknown[]) => harness.service.database.query(text, values);
  const keyPath = () => join(harness.service.environment.GRAVITAS_HOME!, 'keys', 'guardian-signing-key.pem');
  const files = () => readdir(dirname(keyPath()));
  const keys = async (instance = harness.service) =>
    ((await harness.ask(instance, 'get', '/signing-keys')).body as { keys: Key[] }).keys;
  const rotate = () => harness.post('Supervisor', '/signing-keys/rotate', {});
  const issue = async (agent: string, instance = harness.service) =>
    (await harness.ask(instance, 'post', '/certificates', { agent, ttl: '1h' })).body as Issued;
  const validate = (agent: string) => harness.post('router', '/validate', { agent });
  const currentId = async (instance = harness.service) => (await keys(instance)).find(({ current }) => current)?.key_id;

  /** As somebody outside does it, with the public keys and node:crypto alone. */
  const verifies = ({ statement, signature, key_id }: Issued, known: Key[]) => {
    const { public_key } = known.find((key) => key.key_id === key_id)!;
    return verify(
      null,
      Buffer.from(statement, 'utf8'),
      createPublicKey(public_key),
      Buffer.from(signature, 'base64url'),
    );
  };

  it('are shown to whoever has a token, and suffice to verify a statement outside', async () => {
    const answer = await harness.get('Scout', '/signing-keys');
    const { keys: known, total } = answer.body as { keys: Key[]; total: number };
    expect([answer.status, total, known]).toMatchObject([
      200,
      1,
      [{ key_id: expect.stringMatching(/^[0-9a-f]{64}$/), retired_at: null, revoked_at: null, current: true }],
    ]);
    expect((await harness.get('nobody', '/signing-keys')).status).toBe(401);

    const made = (await harness.get('Scout', '/certificates/Scout/current')).body as Issued;
    expect(verifies(made, known)).toBe(true);
    const { version, ...stated } = JSON.parse(made.statement) as Record<string, unknown>;
    expect([Object.keys(stated), version]).toEqual([['agent', 'capabilities', 'expires_at', 'issued_at', 'serial'], 1]);
    expect(made).toMatchObject(stated);
    expect(made.statement).toBe(
      `{"agent":"Scout","capabilities":[],"expires_at":"${String(stated.expires_at)}","issued_at":"${String(stated.issued_at)}",` +
        `"serial":"${String(stated.serial)}","version":1}`,
    );
    expect(verifies({ ...made, statement: made.statement.replace('[]', '["x"]') }, known)).toBe(false);
  });

  it('sign the names of agents as RFC 8785 writes them', async () => {
    const agent = 'é "q" \\ \u{1f600} €/</script>';
    const made = await issue(agent);
    expect(made.statement).toContain(`"agent":"é \\"q\\" \\\\ \u{1f600} €/</script>"`);
    expect(verifies(made, await keys())).toBe(true);
  });

  describe('POST /signing-keys/rotate', () => {
    it('puts another in place: new certificates have it, old ones hold, and it is recorded', async () => {
      const before = (await currentId())!;
      const old = await issue('Old');
      const answer = await rotate();
      const made = answer.body as Key & { previous_key_id: string };
      expect([answer.status, made]).toMatchObject([201, { current: true, retired_at: null, previous_key_id: before }]);
      expect(made.key_id).not.toBe(before);
      expect((await issue('New')).key_id).toBe(made.key_id);
      for (const agent of ['Old', 'New', 'Scout']) expect((await validate(agent)).status).toBe(200);
      const known = await keys();
      expect(known.map(({ key_id, current, retired_at }) => [key_id, current, retired_at !== null])).toEqual([
        [made.key_id, true, false],
        [before, false, true],
      ]);
      expect(verifies(old, known)).toBe(true);
      expect(await harness.event('signing_key.rotate')).toMatchObject({
        ghost_id: 'Supervisor',
        resource: 'guardian/signing-keys',
        result: 'SUCCEEDED',
        metadata: { key_id: made.key_id, previous_key_id: before },
      });
      expect(await harness.metric('key_rotations_total{cause="requested"}')).toBe(1);
    });

    it('leaves one file, for its owner only, with the key that is in use after a restart too', async () => {
      await rotate();
      expect(await files()).toEqual(['guardian-signing-key.pem']);
      expect((await stat(keyPath())).mode & 0o777).toBe(0o600);
      const { key_id: id } = await issue('Before');
      await harness.restart();
      expect(await currentId()).toBe(id);
      expect(await sql('SELECT FROM signing_keys')).toHaveLength(2);
    });

    it('needs the right', async () => {
      expect((await harness.post('Scout', '/signing-keys/rotate', {})).body).toMatchObject({ code: 'policy_denied' });
      expect((await harness.post('nobody', '/signing-keys/rotate', {})).status).toBe(401);
      expect(await sql('SELECT FROM signing_keys')).toHaveLength(1);
    });

    it('changes nothing that cannot be recorded', async () => {
      const before = await currentId();
      jest
        .spyOn(harness.service.app.get(AuditTrail), 'record')
        .mockRejectedValueOnce(new ServiceError('unavailable', 'audit_unavailable', 'no'));
      expect((await rotate()).body).toMatchObject({ status: 503, code: 'audit_unavailable' });
      expect([await currentId(), (await keys()).length]).toEqual([before, 1]);
      expect((await issue('After')).key_id).toBe(before);
      await rotate();
      expect(await files()).toEqual(['guardian-signing-key.pem']);
    });
  });

  describe('with two instances on one home', () => {
    let other: TestService;
    beforeEach(async () => {
      other = await harness.beside();
    });
    afterEach(() => other.stop());

    it('are the same for both: the next signature of the other is with the new key', async () => {
      await issue('Warm', other);
      const { key_id: id } = (await rotate()).body as Key;
      expect((await issue('Next', other)).key_id).toBe(id);
      expect(await currentId(other)).toBe(id);
    });

    it('are replaced one after the other, while certificates are issued: all of those hold', async () => {
      const both = [harness.service, other];
      const issuing = Array.from({ length: 40 }, (_, i) => issue(`Busy-${i}`, both[i % 2]));
      const rotating = Array.from({ length: 6 }, (_, i) =>
        harness.ask(both[i % 2]!, 'post', '/signing-keys/rotate', {}),
      );
      const rotated = await Promise.all(rotating);
      const made = await Promise.all(issuing);
      expect(rotated.map(({ status }) => status)).toEqual(Array(6).fill(201));
      expect(new Set(rotated.map(({ body }) => (body as Key).key_id)).size).toBe(6);
      const known = await keys();
      expect(known).toHaveLength(7);
      expect(known.filter(({ retired_at }) => retired_at === null)).toHaveLength(1);
      for (const each of made) {
        expect(verifies(each, known)).toBe(true);
        expect((await validate(each.agent)).status).toBe(200);
      }
      const last = known.find(({ retired_at }) => retired_at === null)!.key_id;
      for (const instance of both) expect((await issue('Last', instance)).key_id).toBe(last);
      expect(await files()).toEqual(['guardian-signing-key.pem']);
    });
  });

  describe('when a replacement ends halfway', () => {
    const crashAt = (step: 'makeNext' | 'putInPlace') =>
      jest.spyOn(harness.service.app.get(KeyFiles), step).mockRejectedValueOnce(new Error('the process is gone'));

    it('before the next key is on record: it is not used, and cleared away later', async () => {
      const before = await currentId();
      // The file is complete, and then nothing more happens.
      const keyFiles = harness.service.app.get(KeyFiles);
      const makeNext = keyFiles.makeNext.bind(keyFiles);
      jest.spyOn(keyFiles, 'makeNext').mockImplementationOnce(async () => {
        await makeNext();
        throw new Error('the process is gone');
      });
      expect((await rotate()).status).toBe(500);
      await harness.restart();
      expect(await files()).toHaveLength(2);
      expect([await currentId(), (await issue('A')).key_id]).toEqual([before, before]);
      const { key_id: id } = (await rotate()).body as Key;
      expect(await files()).toEqual(['guardian-signing-key.pem']);
      expect((await issue('B')).key_id).toBe(id);
      expect(await keys()).toHaveLength(2);
    });

    it('before the next key is made: nothing has happened', async () => {
      const before = await currentId();
      crashAt('makeNext');
      expect((await rotate()).status).toBe(500);
      expect([await currentId(), await files()]).toEqual([before, ['guardian-signing-key.pem']]);
    });

    it.each([
      ['the next signature', async () => undefined],
      ['the next start', () => harness.restart()],
      ['the next replacement', () => rotate()],
    ])('before its file is in place: %s does the rest', async (_, next) => {
      const before = (await currentId())!;
      crashAt('putInPlace');
      const answer = await rotate();
      expect([answer.status, answer.body]).toMatchObject([503, { code: 'signing_key_unavailable' }]);
      expect(await files()).toHaveLength(2);
      for (const agent of ['Scout', 'Librarian']) expect((await validate(agent)).status).toBe(200);

      await next();
      const made = await issue('After');
      expect(made.key_id).not.toBe(before);
      expect(await files()).toEqual(['guardian-signing-key.pem']);
      const known = await keys();
      expect(verifies(made, known)).toBe(true);
      expect(known.filter(({ retired_at }) => retired_at === null)).toMatchObject([{ key_id: made.key_id }]);
    });

    it('before its file is in place, another instance does the rest', async () => {
      const other = await harness.beside();
      crashAt('putInPlace');
      await rotate();
      const made = await issue('Elsewhere', other);
      expect(verifies(made, await keys())).toBe(true);
      expect((await issue('Here')).key_id).toBe(made.key_id);
      expect(await keys()).toHaveLength(2);
      await other.stop();
    });
  });

  it('of another host are its own: a host whose key was retired elsewhere makes the next one', async () => {
    const pem = await readFile(keyPath());
    const before = await currentId();
    const elsewhere = join(harness.service.environment.GRAVITAS_HOME!, 'elsewhere.pem');
    await writeFile(elsewhere, pem, { mode: 0o600 });
    const other = await harness.beside({ GUARDIAN_SIGNING_KEY_PATH: elsewhere });
    expect(await currentId(other)).toBe(before);
    const { key_id: here } = (await rotate()).body as Key;
    const { key_id: there } = await issue('There', other);
    expect(new Set([before, here, there]).size).toBe(3);
    expect(await currentId()).toBe(here);
    for (const agent of ['There', 'Scout']) expect((await validate(agent)).status).toBe(200);
    await other.stop();
  });

  it('may be replaced by hand while the service runs, and a file that is lost or broken leaves the last one in use', async () => {
    const before = await currentId();
    await writeFile(keyPath(), 'no key');
    expect((await issue('A')).key_id).toBe(before);
    const elsewhere = await Harness.start();
    const stranger = join(elsewhere.service.environment.GRAVITAS_HOME!, 'keys', 'guardian-signing-key.pem');
    await writeFile(keyPath(), await readFile(stranger));
    await elsewhere.close();
    const made = await issue('B');
    expect(made.key_id).not.toBe(before);
    expect(verifies(made, await keys())).toBe(true);
    expect((await validate('A')).status).toBe(200);
  });

  describe('POST /signing-keys/:key_id/revoke', () => {
    const revoke = (id: string, body: object = {}) => harness.post('Supervisor', `/signing-keys/${id}/revoke`, body);

    it('refuses what it signed, says how many, and the next certificate is signed with a new one', async () => {
      const leaked = (await currentId())!;
      await issue('Scout');
      expect((await validate('Scout')).status).toBe(200);
      const answer = await revoke(leaked, { reason: 'found on a train' });
      expect([answer.status, answer.body]).toMatchObject([
        200,
        { key_id: leaked, revoked_at: expect.any(String), reason: 'found on a train', certificates: 5, current: false },
      ]);
      expect((await validate('Scout')).body).toMatchObject({ status: 403, code: 'certificate_revoked' });
      const listed = await harness.get('router', '/certificates?agent=Scout');
      expect(listed.body).toMatchObject({ certificates: [{ status: 'revoked' }, { status: 'revoked' }] });
      expect((await harness.post('router', '/certificates/Scout/renew', {})).body).toMatchObject({
        status: 409,
        code: 'certificate_revoked',
      });
      expect((await harness.get('router', '/stats?agent=Scout')).body).toMatchObject({
        stats: { Scout: { certification_expires: null } },
      });
      expect(await harness.event('signing_key.revoke')).toMatchObject({
        ghost_id: 'Supervisor',
        reason: 'found on a train',
        metadata: { key_id: leaked, certificates: 5 },
      });

      const made = await issue('Scout');
      expect(made.key_id).not.toBe(leaked);
      expect((await validate('Scout')).status).toBe(200);
      expect((await validate('Librarian')).status).toBe(403);
      const event = await harness.event('signing_key.rotate');
      expect(event).toMatchObject({ metadata: { by: 'service:guardian', previous_key_id: leaked } });
      expect(await harness.metric('key_rotations_total{cause="revoked"}')).toBe(1);
    });

    it('of a retired one leaves those of the others alone', async () => {
      const old = (await currentId())!;
      await rotate();
      await issue('Fresh');
      await revoke(old);
      expect([(await validate('Fresh')).status, (await validate('Scout')).status]).toEqual([200, 403]);
    });

    it('twice is the same as once: the first reason stays, and is recorded once', async () => {
      const id = (await currentId())!;
      await revoke(id, { reason: 'first' });
      const again = await revoke(id, { reason: 'second' });
      expect([again.status, again.body]).toMatchObject([200, { reason: 'first' }]);
      await issue('Later');
      await harness.event('certificate.issue', { resource: 'guardian/certificates/Later' });
      expect(harness.gatekeeper.events.filter(({ action }) => action === 'signing_key.revoke')).toHaveLength(1);
    });

    it('says 404 and 400, and needs the right', async () => {
      expect((await revoke('0'.repeat(64))).body).toMatchObject({ status: 404, code: 'signing_key_not_found' });
      expect((await revoke('../key')).status).toBe(404);
      expect((await revoke('xyz')).status).toBe(400);
      const id = (await currentId())!;
      expect((await harness.post('Scout', `/signing-keys/${id}/revoke`, {})).status).toBe(403);
      expect((await harness.post('nobody', `/signing-keys/${id}/revoke`, {})).status).toBe(401);
      expect((await validate('Scout')).status).toBe(200);
    });
  });
});
