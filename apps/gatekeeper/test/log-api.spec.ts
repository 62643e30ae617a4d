import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { PostgresSink } from '#audit';
import { logConsistency, logKey, eventProof, problem, type AuditEvent } from '#contracts';
import { createPool } from '#database';
import { agentToken, serviceToken, startService, waitFor, type TestService } from '#testing';
import {
  canonicalEvent,
  decodeBundle,
  decodeTile,
  hashFromBase64,
  leafEntry,
  leafHash,
  NoteVerifier,
  openCheckpoint,
  parseEventProofText,
  sameHash,
  TileHashReader,
  treeRoot,
  verifyConsistency,
  verifyEventProof,
} from '#tlog';
import { gatekeeper } from '../src/app.module.js';
import { logEvent } from './support/log-event.js';

const ACME = 600;

describe('the transparency log over HTTP', () => {
  let service: TestService;
  let sink: PostgresSink;
  let acme: AuditEvent[];
  let globex: AuditEvent[];
  let key: NoteVerifier;

  const get = async (path: string, token = serviceToken('lobby', 'gatekeeper')) =>
    request(service.url)
      .get(path)
      .buffer(true)
      .set('authorization', `Bearer ${await token}`);
  const bytes = async (path: string) =>
    (
      await request(service.url)
        .get(path)
        .set('authorization', `Bearer ${await serviceToken('lobby', 'gatekeeper')}`)
        .responseType('blob')
        .expect(200)
    ).body as Buffer;
  const sizeOf = async (tenant: string): Promise<number> => {
    const [row] = await service.database.query<{ size: string }>('SELECT size FROM tlog_trees WHERE tenant_id = $1', [
      tenant,
    ]);
    return Number(row?.size ?? 0);
  };
  const keyOf = async (tenant: string) => logKey.parse((await get(`/v1/audit/key?tenant_id=${tenant}`)).body);
  /** The answer with the proof; it may be late where the log stood still for longer than a call waits, which is two seconds. */
  const proven = (event: AuditEvent) =>
    waitFor(
      'the proof',
      async () => {
        const since = Date.now();
        const answer = await get(`/v1/audit/proof/${event.id}?tenant_id=${encodeURIComponent(event.tenant_id)}`);
        if (answer.status === 503) expect(Date.now() - since).toBeGreaterThan(1900);
        else expect(answer.status).toBe(200);
        return answer.status === 200 && answer;
      },
      20_000,
    );
  const expectProblem = async (path: string, status: number, code: string, token?: Promise<string>) => {
    const answer = await get(path, token);
    expect({ path, ...problem.parse(JSON.parse(answer.text)) }).toMatchObject({ path, status, code });
    return answer;
  };

  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    sink = new PostgresSink(createPool(service.database.runtimeUrl, 'log-api-spec', 2, () => undefined));
    acme = Array.from({ length: ACME }, (_, i) => logEvent('acme', i));
    globex = Array.from({ length: 5 }, (_, i) => logEvent('globex', i));
    await sink.write(globex);
    await sink.write(acme.slice(0, 100));
    await waitFor('the first', async () => (await sizeOf('acme')) === 100, 20_000);
    await sink.write(acme.slice(100));
    await waitFor('all', async () => (await sizeOf('acme')) === ACME, 20_000);
    key = NoteVerifier.parse((await keyOf('acme')).verifier_key);
  }, 60_000);
  afterAll(async () => {
    await sink.close();
    await service.close();
  });

  it('tells everybody the key of each tenant’s log', async () => {
    const own = logKey.parse((await request(service.url).get('/v1/audit/key?tenant_id=a%20b')).body);
    expect(own).toMatchObject({ tenant_id: 'a b', origin: 'gravitas/a%20b' });
    expect(NoteVerifier.parse(own.verifier_key).name).toBe('gravitas/a%20b');
    expect((await request(service.url).get('/v1/audit/key')).body).toMatchObject({ tenant_id: 'default' });
    const long = await request(service.url).get(`/v1/audit/key?tenant_id=${encodeURIComponent('語'.repeat(200))}`);
    expect(NoteVerifier.parse(logKey.parse(long.body).verifier_key).name).toHaveLength('gravitas/'.length + 1800);
  });

  it('gives the newest checkpoint as a signed note, which nobody may keep', async () => {
    for (const path of ['/v1/audit/checkpoint?tenant_id=acme', '/v1/audit/tlog/acme/checkpoint']) {
      const answer = await get(path);
      expect(answer.headers).toMatchObject({
        'cache-control': 'no-store',
        'content-type': 'text/plain; charset=utf-8',
      });
      expect(openCheckpoint(answer.text, key)).toMatchObject({ origin: 'gravitas/acme', size: ACME });
    }
    await expectProblem('/v1/audit/checkpoint?tenant_id=nobody', 404, 'no_checkpoint');
    await expectProblem('/v1/audit/tlog/nobody/checkpoint', 404, 'no_checkpoint');
  });

  it('proves each event, with nothing but the key needed to verify it', async () => {
    for (const event of [acme[0]!, acme[99]!, acme[100]!, acme[ACME - 1]!]) {
      const proof = eventProof.parse((await get(`/v1/audit/proof/${event.id}?tenant_id=acme`)).body);
      expect(canonicalEvent(proof.event)).toBe(canonicalEvent(event));
      expect(verifyEventProof(proof, key)).toMatchObject({ index: proof.index, checkpoint: { size: ACME } });
      const text = await get(`/v1/audit/proof/${event.id.toUpperCase()}?tenant_id=acme&format=tlog-proof`);
      expect(text.headers['content-type']).toBe('text/plain; charset=utf-8');
      const parsed = parseEventProofText(text.text);
      expect(parsed).toMatchObject({ index: proof.index });
      verifyEventProof(parsed, key);
      expect(() => verifyEventProof({ ...proof, event: { ...proof.event, reason: 'another' } }, key)).toThrow(/./);
    }
  });

  it('knows no proof of an event that is not there, or of another tenant', async () => {
    await expectProblem(`/v1/audit/proof/${randomUUID()}?tenant_id=acme`, 404, 'event_not_found');
    await expectProblem(`/v1/audit/proof/${globex[0]!.id}?tenant_id=acme`, 404, 'event_not_found');
    await expectProblem('/v1/audit/proof/x?tenant_id=acme', 400, 'invalid_request');
  });

  it('waits for an event that was recorded just now', async () => {
    const event = logEvent('waits', 1);
    await sink.write([event]);
    const answer = await proven(event);
    verifyEventProof(eventProof.parse(answer.body), NoteVerifier.parse((await keyOf('waits')).verifier_key));
  });

  it('says that a proof is pending while the log does not get on', async () => {
    await service.database.query('ALTER TABLE tlog_leaves ADD CONSTRAINT stop CHECK (false) NOT VALID');
    try {
      const event = logEvent('pending', 1);
      await sink.write([event]);
      const answer = await expectProblem(`/v1/audit/proof/${event.id}?tenant_id=pending`, 503, 'proof_pending');
      expect(answer.headers['retry-after']).toBe('1');
    } finally {
      await service.database.query('ALTER TABLE tlog_leaves DROP CONSTRAINT stop');
    }
  });

  it('says of a row that came past the service that it is in no log', async () => {
    const id = randomUUID();
    const insert = (columns: string, values: string) =>
      service.database.query(
        `INSERT INTO audit_log (id, tenant_id, timestamp, service, action, resource, result, reason, entities, metadata ${columns})
         VALUES ('${id}', 'past', now(), 's', 'a', 'r', 'ALLOWED', '', '[]', '{}' ${values})`,
      );
    await insert('', '');
    await expectProblem(`/v1/audit/proof/${id}?tenant_id=past`, 409, 'event_unlogged');
    // With a hash, and as if it were from long ago: the log has passed that.
    await service.database.query('DELETE FROM audit_log WHERE id = $1', [id]);
    await insert(', leaf_hash, xid', `, sha256('x'), '3'`);
    await expectProblem(`/v1/audit/proof/${id}?tenant_id=past`, 409, 'event_unlogged');
  });

  it('gives out no proof of an event that somebody has changed', async () => {
    const event = acme[300]!;
    await service.database.query(`UPDATE audit_log SET reason = 'another' WHERE id = $1`, [event.id]);
    try {
      await expectProblem(`/v1/audit/proof/${event.id}?tenant_id=acme`, 500, 'log_damaged');
    } finally {
      await service.database.query(`UPDATE audit_log SET reason = 'because' WHERE id = $1`, [event.id]);
    }
  });

  it('proves that an older tree is the beginning of a newer one', async () => {
    const roots = async (size: number) =>
      treeRoot({ readHashes: (nodes) => new TileHashReader(size, source()).readHashes(nodes) }, size);
    const source = () => ({
      readTiles: async (tiles: readonly { level: number; index: number; width: number }[]) =>
        Promise.all(
          tiles.map(({ level, index, width }) =>
            bytes(`/v1/audit/tlog/acme/tile/${level}/00${index}${width < 256 ? `.p/${width}` : ''}`),
          ),
        ),
    });
    for (const [from, to] of [
      [100, ACME],
      [1, 256],
      [255, 257],
      [0, 5],
      [ACME, ACME],
    ] as const) {
      const body = logConsistency.parse((await get(`/v1/audit/consistency?tenant_id=acme&from=${from}&to=${to}`)).body);
      expect([body.from, body.to]).toEqual([from, to]);
      verifyConsistency(
        { oldSize: from, oldRoot: await roots(from), size: to, root: await roots(to) },
        body.proof.map((hash) => hashFromBase64(hash, 'proof')),
      );
      expect(body.checkpoint === null ? null : openCheckpoint(body.checkpoint, key).size).toBe(to === ACME ? to : null);
    }
    const newest = logConsistency.parse((await get('/v1/audit/consistency?tenant_id=acme&from=100')).body);
    expect(newest).toMatchObject({ from: 100, to: ACME, checkpoint: expect.stringContaining('gravitas/acme') });
    const kept = logConsistency.parse((await get('/v1/audit/consistency?tenant_id=acme&from=1&to=100')).body);
    expect(openCheckpoint(kept.checkpoint!, key).size).toBe(100);
    await expectProblem(`/v1/audit/consistency?tenant_id=acme&from=1&to=${ACME + 1}`, 400, 'beyond_log');
    await expectProblem(`/v1/audit/consistency?tenant_id=acme&from=${ACME + 1}`, 400, 'invalid_request');
    await expectProblem('/v1/audit/consistency?tenant_id=acme&from=20&to=10', 400, 'invalid_request');
    for (const from of ['-1', '1.5', 'x', '9007199254740992'])
      await expectProblem(`/v1/audit/consistency?tenant_id=acme&from=${from}`, 400, 'invalid_request');
    await expectProblem('/v1/audit/consistency?tenant_id=acme', 400, 'invalid_request');
    await expectProblem('/v1/audit/consistency?tenant_id=nobody&from=0', 404, 'no_checkpoint');
  }, 60_000);

  it('has the tiles and bundles of the specification, and they make up the checkpoint', async () => {
    const checkpoint = openCheckpoint((await get('/v1/audit/tlog/acme/checkpoint')).text, key);
    const tiles = ['0/000', '0/001', `0/002.p/${ACME - 512}`, '1/000.p/2'];
    const read = await Promise.all(tiles.map((path) => bytes(`/v1/audit/tlog/acme/tile/${path}`)));
    const hashes = read.slice(0, 3).flatMap((tile) => decodeTile(tile, tile.length / 32));
    const bundles = await Promise.all(
      ['000', '001', `002.p/${ACME - 512}`].map((path) => bytes(`/v1/audit/tlog/acme/tile/entries/${path}`)),
    );
    const entries = bundles.flatMap((bundle, i) => decodeBundle(bundle, i < 2 ? 256 : ACME - 512));
    expect(entries.every((entry, i) => sameHash(leafHash(entry), hashes[i]!))).toBe(true);
    const written = new Set(acme.map((event) => leafEntry(canonicalEvent(event)).toString()));
    for (const entry of entries) expect(written.delete(Buffer.from(entry).toString())).toBe(true);
    const source = {
      readTiles: (wanted: readonly { level: number; index: number }[]) =>
        Promise.resolve(wanted.map(({ level, index }) => read[level === 0 ? index : 3]!)),
    };
    const root = await treeRoot(new TileHashReader(ACME, source), ACME);
    expect(sameHash(root, checkpoint.root)).toBe(true);
  });

  it('lets full tiles be kept for ever, and partial ones stay when they have grown', async () => {
    const full = await get('/v1/audit/tlog/acme/tile/0/001');
    expect(full.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '8192',
      'cache-control': 'private, max-age=31536000, immutable',
    });
    const partial = await get('/v1/audit/tlog/acme/tile/0/001.p/7');
    expect(partial.headers).toMatchObject({ 'content-length': '224', 'cache-control': 'private, max-age=60' });
    expect((await get('/v1/audit/tlog/acme/tile/entries/000')).headers['cache-control']).toContain('immutable');
  });

  it.each([
    '0/002',
    '0/003',
    '0/002.p/89',
    '1/000',
    '1/000.p/3',
    '2/000.p/1',
    'entries/002',
    'entries/003.p/1',
    '0/1',
    '0/0001',
    '00/001',
    '0/x000/001',
    '0/001.p/0',
    '0/001.p/256',
    '0/001.p/01',
    '7/000',
    'entries/x/001',
    '0/999',
    '0/x001/x001/x001/x001/x001/x001/001',
    'checkpoint',
    '0/001/..%2f000',
  ])('has no tile %s', async (path) => {
    await expectProblem(`/v1/audit/tlog/acme/tile/${path}`, 404, 'tile_not_found');
  });

  it('has no bundle of which an event is gone', async () => {
    await sink.write(Array.from({ length: 3 }, (_, i) => logEvent('dropped', i)));
    await waitFor('them', async () => (await sizeOf('dropped')) === 3, 20_000);
    expect((await get('/v1/audit/tlog/dropped/tile/entries/000.p/3')).status).toBe(200);
    await service.database.query(`DELETE FROM audit_log WHERE tenant_id = 'dropped' AND resource = 'shells/l1/1'`);
    await expectProblem('/v1/audit/tlog/dropped/tile/entries/000.p/3', 404, 'bundle_dropped');
    expect((await get('/v1/audit/tlog/dropped/tile/0/000.p/3')).status).toBe(200);
  });

  it('holds an agent to its own tenant and its rights', async () => {
    const own = [`proof/${acme[0]!.id}`, 'checkpoint', 'consistency?from=1', 'witness'];
    const paths = [
      ...own.map((path) => `${path}${path.includes('?') ? '&' : '?'}tenant_id=acme`),
      'tlog/acme/checkpoint',
      'tlog/acme/tile/0/000',
      'tlog/acme/tile/entries/000',
    ];
    for (const path of paths) {
      expect({
        path,
        status: (await get(`/v1/audit/${path}`, agentToken('Supervisor', { tenant: 'acme' }))).status,
      }).toEqual({
        path,
        status: 200,
      });
      await expectProblem(`/v1/audit/${path}`, 403, 'other_tenant', agentToken('Supervisor', { tenant: 'globex' }));
      await expectProblem(`/v1/audit/${path}`, 403, 'policy_denied', agentToken('Nobody', { tenant: 'acme' }));
      expect((await request(service.url).get(`/v1/audit/${path}`)).status).toBe(401);
    }
    for (const path of own)
      expect((await get(`/v1/audit/${path}`, agentToken('Supervisor', { tenant: 'acme' }))).status).toBe(200);
    await expectProblem(
      `/v1/audit/proof/${acme[0]!.id}`,
      404,
      'event_not_found',
      agentToken('Supervisor', { tenant: 'globex' }),
    );
  });

  it('has a log for a tenant of the longest name', async () => {
    const tenant = '語'.repeat(200);
    const event = logEvent(tenant, 1);
    await sink.write([event]);
    await proven(event);
    expect((await get(`/v1/audit/tlog/${encodeURIComponent(tenant)}/tile/0/000.p/1`)).status).toBe(200);
  });
});
