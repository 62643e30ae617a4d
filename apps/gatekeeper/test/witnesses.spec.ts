import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import request from 'supertest';
import { PostgresSink } from '#audit';
import { eventProof, logWitnesses } from '#contracts';
import { createPool, migrateAtBoot, roleOf } from '#database';
import { createTestDatabase, serviceToken, startService, waitFor, type TestDatabase } from '#testing';
import { NoteSigner, NoteVerifier, openCheckpoint, tenantOrigin, verifyEventProof } from '#tlog';
import { migrations } from '../migrations/index.js';
import { gatekeeper } from '../src/app.module.js';
import { newestCosigned } from '../src/notary/core/cosignature-table.js';
import { type Query } from '../src/notary/core/log-tables.js';
import { Sequencer } from '../src/notary/core/sequencer.js';
import { WitnessRounds, type WitnessRoundsOptions } from '../src/notary/core/witness-rounds.js';
import { type Outcome } from '../src/notary/core/witness-questions.js';
import { logEvent } from './support/log-event.js';
import { WitnessServer } from './support/witness-server.js';

const INTERVAL_MS = 200;

interface Known {
  size: number;
  cosigned: boolean;
  problem: string | null;
}

describe('witnesses', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let sink: PostgresSink;
  let signer: NoteSigner;
  let sequencer: Sequencer;
  const errors: string[] = [];
  const servers: WitnessServer[] = [];
  const rounds: WitnessRounds[] = [];

  const query: Query = async (sql, values) => (await pool.query(sql, [...values])).rows as never;
  const logOf = (origin: string) => signer.verifier.named(origin);
  const witness = async (name: string): Promise<WitnessServer> => {
    const server = await WitnessServer.start(name, logOf);
    servers.push(server);
    return server;
  };
  const startRounds = (server: WitnessServer, options: Partial<WitnessRoundsOptions> = {}): WitnessRounds => {
    const log = {
      info: () => undefined,
      warn: () => undefined,
      error: (details: object) => void errors.push(JSON.stringify(details)),
    };
    const started = new WitnessRounds({
      witness: { key: server.key, name: server.signer.name, url: server.url },
      pool,
      intervalMs: INTERVAL_MS,
      leads: () => sequencer.state === 'leader',
      log,
      ...options,
    });
    rounds.push(started);
    started.start();
    return started;
  };
  const known = async (tenant: string, server: WitnessServer): Promise<Known | undefined> => {
    const [row] = await database.query<{ size: string; cosigned: boolean; problem: string | null }>(
      'SELECT size, cosigned_at IS NOT NULL AS cosigned, problem FROM tlog_witnesses WHERE tenant_id = $1 AND witness = $2',
      [tenant, server.key],
    );
    return row && { ...row, size: Number(row.size) };
  };
  const cosigned = (tenant: string, server: WitnessServer, size: number) =>
    waitFor(`a cosignature of ${size}`, async () => {
      const row = await known(tenant, server);
      return row?.size === size && row.cosigned && row.problem === null;
    });
  const problemOf = async (tenant: string, server: WitnessServer, pattern: RegExp): Promise<void> => {
    await waitFor(`a problem like ${pattern}`, async () => pattern.test((await known(tenant, server))?.problem ?? ''));
  };
  const grow = async (tenant: string, events: number): Promise<void> => {
    const before = await sizeOf(tenant);
    await sink.write(Array.from({ length: events }, (_, i) => logEvent(tenant, i)));
    await waitFor('the log', async () => (await sizeOf(tenant)) === before + events);
  };
  const sizeOf = async (tenant: string): Promise<number> => {
    const [row] = await database.query<{ size: string }>('SELECT size FROM tlog_trees WHERE tenant_id = $1', [tenant]);
    return Number(row?.size ?? 0);
  };

  beforeEach(async () => {
    database = await createTestDatabase('gatekeeper');
    const runtimeRole = roleOf(database.runtimeUrl);
    await migrateAtBoot({ service: 'gatekeeper', url: database.ownerUrl, runtimeRole, entities: [], migrations });
    await database.query('SELECT ensure_audit_partitions(1, 1)');
    signer = new NoteSigner('test', randomBytes(32));
    pool = createPool(database.notaryUrl!, 'witnesses-spec', 4, () => undefined);
    sink = new PostgresSink(createPool(database.runtimeUrl, 'witnesses-spec', 1, () => undefined));
    const log = { info: () => undefined, warn: () => undefined };
    sequencer = new Sequencer({ url: database.notaryUrl!, signer, intervalMs: 10, batchSize: 1000, log });
    sequencer.start();
  });
  afterEach(async () => {
    await Promise.all(rounds.splice(0).map((each) => each.stop()));
    await sequencer.stop();
    await Promise.all(servers.splice(0).map((each) => each.close()));
    await sink.close();
    await pool.end();
    await database.drop();
    errors.splice(0);
  });

  it('cosign each tenant’s checkpoint, from the size on that they know', async () => {
    const [one, two] = [await witness('one.example'), await witness('two.example')];
    await grow('acme', 300);
    await grow('globex', 3);
    for (const server of [one, two]) startRounds(server);
    for (const server of [one, two]) {
      await cosigned('acme', server, 300);
      await cosigned('globex', server, 3);
    }
    await grow('acme', 250);
    for (const server of [one, two]) await cosigned('acme', server, 550);
    const note = (await newestCosigned(query, 'acme'))!;
    const witnesses = [one, two].map((server) => server.signer.verifier);
    const opened = openCheckpoint(note, logOf(tenantOrigin('test', 'acme')), witnesses);
    expect(opened.size).toBe(550);
    expect(opened.note.verified.map(({ name }) => name).sort()).toEqual(['one.example', 'test/acme', 'two.example']);
    // Nothing is asked about what has not changed.
    expect(one.statuses).toEqual([200, 200, 200]);
  });

  it('are asked at most once an interval about a tenant, however often its checkpoint changes', async () => {
    const asked: number[] = [];
    const server = await WitnessServer.start('one.example', (origin) => {
      asked.push(Date.now());
      return logOf(origin);
    });
    servers.push(server);
    await grow('acme', 1);
    startRounds(server, { intervalMs: 3000 });
    await cosigned('acme', server, 1);
    for (let i = 0; i < 5; i++) await grow('acme', 1);
    await cosigned('acme', server, 6);
    expect(new Set(server.statuses)).toEqual(new Set([200]));
    expect(asked.length).toBeGreaterThan(1);
    for (let i = 1; i < asked.length; i++) expect(asked[i]! - asked[i - 1]!).toBeGreaterThanOrEqual(2990);
  });

  it('that know more than is thought here are asked again, from there on', async () => {
    const server = await witness('one.example');
    await grow('acme', 10);
    const started = startRounds(server);
    await cosigned('acme', server, 10);
    await started.stop();
    // As if the answer had been lost, or the table brought back from a backup.
    await database.query('DELETE FROM tlog_witnesses');
    await grow('acme', 10);
    startRounds(server);
    await cosigned('acme', server, 20);
    expect(server.statuses).toEqual([200, 409, 200]);
  });

  it('are not believed without a look at their cosignature', async () => {
    const [liar, honest] = [await witness('liar.example'), await witness('honest.example')];
    liar.manner = 'lies';
    await grow('acme', 5);
    for (const server of [liar, honest]) startRounds(server);
    await cosigned('acme', honest, 5);
    await problemOf('acme', liar, /its answer is wrong: the cosignature of liar.example\+\w+ is wrong/);
    expect(await known('acme', liar)).toMatchObject({ size: 0, cosigned: false });
    expect(await newestCosigned(query, 'acme')).not.toContain('liar.example');
    liar.manner = 'honest';
    await grow('acme', 5);
    await cosigned('acme', liar, 10);
  });

  it('that hang or break hold nobody up', async () => {
    const [hanging, broken, honest] = [
      await witness('a.example'),
      await witness('b.example'),
      await witness('c.example'),
    ];
    hanging.manner = 'hangs';
    broken.manner = 'broken';
    await grow('acme', 5);
    await grow('globex', 5);
    const outcomes: Outcome['kind'][] = [];
    startRounds(hanging, { timeoutMs: 500, onOutcome: ({ kind }) => outcomes.push(kind) });
    for (const server of [broken, honest]) startRounds(server);
    await cosigned('acme', honest, 5);
    await problemOf('acme', broken, /answered with status 500/);
    await problemOf('acme', hanging, /no answer: .*timeout/i);
    await grow('acme', 5);
    await cosigned('acme', honest, 10);
    hanging.manner = 'honest';
    await cosigned('acme', hanging, 10);
    await cosigned('globex', hanging, 5);
    expect(new Set(outcomes)).toEqual(new Set(['unreachable', 'cosigned']));
  });

  it('that are ahead or know another tree are reported as what they are: somebody has changed the log, or they lie', async () => {
    const [ahead, forked] = [await witness('ahead.example'), await witness('forked.example')];
    ahead.manner = 'ahead';
    forked.manner = 'forked';
    await grow('acme', 5);
    for (const server of [ahead, forked]) startRounds(server);
    await problemOf('acme', ahead, /has seen 6 leaves, and the log has 5: it was rolled back/);
    await problemOf('acme', forked, /has another tree of 5 leaves: the log was forked/);
    await waitFor('the error in the log', () => errors.some((error) => error.includes('rolled back')));
    expect(await newestCosigned(query, 'acme')).toBeNull();
  });

  it('find out about a log that was rolled back and grown again', async () => {
    const server = await witness('one.example');
    await grow('acme', 5);
    startRounds(server);
    await cosigned('acme', server, 5);
    await sequencer.stop();
    await database.query(
      `DELETE FROM tlog_trees; DELETE FROM tlog_tiles; DELETE FROM tlog_leaves; DELETE FROM tlog_checkpoints`,
    );
    const log = { info: () => undefined, warn: () => undefined };
    sequencer = new Sequencer({ url: database.notaryUrl!, signer, intervalMs: 10, batchSize: 1000, log });
    sequencer.start();
    await grow('acme', 8);
    await problemOf('acme', server, /has seen another beginning of 5 leaves/);
  });

  it('are asked by the leader only, and by none when the log cannot prove itself', async () => {
    const [one, two] = [await witness('one.example'), await witness('two.example')];
    await grow('acme', 300);
    startRounds(one, { leads: () => false });
    await sequencer.stop();
    await database.query('DELETE FROM tlog_tiles WHERE level = 0');
    await database.query(`INSERT INTO tlog_witnesses VALUES ('acme', $1, 7, NULL, 'epoch', NULL)`, [two.key]);
    startRounds(two, { leads: () => true });
    await problemOf('acme', two, /the log makes no proof: tile \d of level 0 is gone/);
    expect([one.statuses, two.statuses]).toEqual([[], []]);
  });

  it('are told of over HTTP, and their cosignatures go out with checkpoints and proofs', async () => {
    let log: NoteVerifier | undefined;
    const [good, gone] = [
      await WitnessServer.start('good.example', () => log!),
      await WitnessServer.start('gone.example', () => log!),
    ];
    await gone.close();
    servers.push(good);
    const environment = {
      GATEKEEPER_WITNESSES: `${good.key}@${good.url}, ${gone.key}@http://127.0.0.1:1`,
      GATEKEEPER_WITNESS_INTERVAL: '1',
    };
    const service = await startService('gatekeeper', gatekeeper, { environment });
    const own = new PostgresSink(createPool(service.database.runtimeUrl, 'witnesses-spec', 1, () => undefined));
    const get = async (path: string) =>
      request(service.url)
        .get(path)
        .set('authorization', `Bearer ${await serviceToken('lobby', 'gatekeeper')}`);
    try {
      const key = (await get('/v1/audit/key?tenant_id=acme')).body as { verifier_key: string };
      log = NoteVerifier.parse(key.verifier_key);
      expect(logWitnesses.parse((await get('/v1/audit/witness?tenant_id=acme')).body)).toMatchObject({
        checkpoint: null,
      });
      const event = logEvent('acme', 1);
      await own.write([event]);
      const report = await waitFor(
        'the cosignature',
        async () => {
          const answer = logWitnesses.parse((await get('/v1/audit/witness?tenant_id=acme')).body);
          return answer.checkpoint !== null && answer.witnesses[1]!.problem !== null && answer;
        },
        20_000,
      );
      expect(report.witnesses).toEqual([
        {
          name: 'good.example',
          key: good.key,
          url: good.url,
          last_size: 1,
          last_at: expect.stringMatching(/^\d{4}-.*Z$/),
          problem: null,
        },
        {
          name: 'gone.example',
          key: gone.key,
          url: 'http://127.0.0.1:1',
          last_size: null,
          last_at: null,
          problem: expect.stringContaining('no answer'),
        },
      ]);
      const isCosigned = (note: string) =>
        openCheckpoint(note, log!, [good.signer.verifier]).note.verified.some(({ name }) => name === 'good.example');
      expect(isCosigned(report.checkpoint!)).toBe(true);
      expect(isCosigned((await get('/v1/audit/checkpoint?tenant_id=acme')).text)).toBe(true);
      const proof = eventProof.parse((await get(`/v1/audit/proof/${event.id}?tenant_id=acme`)).body);
      verifyEventProof(proof, log, [good.signer.verifier]);
      expect(isCosigned(proof.checkpoint)).toBe(true);
      expect((await get('/v1/audit/witness?tenant_id=globex')).body).toMatchObject({ checkpoint: null });
      const counted = /^gravitas_tlog_witness_calls_total\{witness="good.example",outcome="cosigned"\} 1$/m;
      await waitFor('the metric', async () => counted.test((await request(service.url).get('/metrics')).text));
    } finally {
      await own.close();
      await service.close();
    }
  });
});
