import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { findFreePort } from '#embedded-postgres';
import { type Bench, type BenchContext, type BenchResult } from './harness/bench.js';
import { median, quantile } from './harness/statistics.js';
import { startGatekeeperDatabase, type GatekeeperDatabase } from './support/gatekeeper-database.js';
import { load, postRequest, type LoadReport } from './support/http-load.js';
import { decisionCost } from './support/policy-cost.js';
import { tokenCosts } from './support/token-cost.js';
import { leaveFirstProcessor, startServer, type ServerProcess } from './support/server-process.js';

const ROUNDS = 5;
const WARM_UP_S = 4;
const ROUND_S = 3;
const HALF_LOAD_S = 4;
const CONNECTIONS = 64;
const CAUGHT_UP_MS = 300_000;
const POLL_MS = 200;
const POLICY_RULES = [10, 1000, 100_000];
const UNUSED = 'of the length that such a secret must have';
const BODY = JSON.stringify({
  action: 'execute',
  resource: 'shells/l1/echo',
  metadata: { session_id: randomUUID(), purpose: 'summarise the notes of yesterday', tokens: 512 },
});

const WAYS = ['node_http', 'no_audit', 'gatekeeper'] as const;
type Way = (typeof WAYS)[number];

/** Milliseconds. */
interface Waits {
  p50: number;
  p99: number;
}

/** `/validate` with everything that it does, beside the least that a JSON service can do. */
export const validate: Bench = {
  name: 'validate',
  about: 'decisions a second over HTTP, audited, beside a bare node:http echo and beside no audit',
  async run(context): Promise<BenchResult[]> {
    await leaveFirstProcessor();
    const database = await startGatekeeperDatabase(context);
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = await serveKeys(publicKey);
    const servers = await startServers(context, database, keys);
    try {
      const token = await agentToken(privateKey);
      const request = postRequest('/validate', { authorization: `Bearer ${token}` }, BODY);
      const figures = await measure(context, servers, request);
      const { anew, remembered } = await tokenCosts(token, publicKey);
      return [
        ...figures,
        { name: 'token_us.anew', value: anew, unit: 'µs', better: 'less' },
        { name: 'token_us.remembered', value: remembered, unit: 'µs', better: 'less' },
      ];
    } finally {
      await Promise.all(Object.values(servers).map((server) => server.stop()));
      keys.close();
      await database.close();
    }
  },
};

async function measure(
  { stop, progress }: BenchContext,
  servers: Record<Way, ServerProcess>,
  request: Buffer,
): Promise<BenchResult[]> {
  const run = async (way: Way, seconds: number, rate?: number): Promise<LoadReport> => {
    stop.throwIfAborted();
    const url = servers[way].url;
    return load({ url, request, connections: CONNECTIONS, seconds, stop, ...(rate !== undefined && { rate }) });
  };
  for (const way of WAYS) await run(way, WARM_UP_S);
  const rounds: Record<Way, number[]> = { node_http: [], no_audit: [], gatekeeper: [] };
  const cpu: Record<Way, number[]> = { node_http: [], no_audit: [], gatekeeper: [] };
  for (let round = 1; round <= ROUNDS; round++) {
    for (const way of WAYS) {
      const before = await servers[way].cpu();
      const { rps, latencies } = await run(way, ROUND_S);
      rounds[way].push(rps);
      cpu[way].push(((await servers[way].cpu()) - before) / latencies.length);
      progress(
        `round ${round} of ${ROUNDS}: ${way} ${Math.round(rps)} requests/s, ${cpu[way].at(-1)!.toFixed(1)} µs each`,
      );
    }
  }
  const rps = median(rounds.gatekeeper);
  // At half load it keeps up; what the full load has left behind would be written meanwhile.
  await audited(servers.gatekeeper.url, stop);
  // Idle it is not quite: it tidies up, for a tenth of a second at a time, on the same processor.
  await servers.no_audit.stop();
  progress('all of the full load is in the database and its log');
  const half = { node_http: [] as Waits[], gatekeeper: [] as Waits[] };
  for (const way of ['node_http', 'gatekeeper'] as const) {
    // One after the other, and not in turns: a process that has been idle for some seconds is busy with tidying up.
    await run(way, WARM_UP_S, rps / 2);
    for (let round = 1; round <= ROUNDS; round++) {
      const { rps: rate, latencies } = await run(way, HALF_LOAD_S, rps / 2);
      const waits = { p50: median(latencies), p99: quantile(latencies, 0.99) };
      half[way].push(waits);
      progress(
        `half load, ${way}, round ${round} of ${ROUNDS}: ${Math.round(rate)} requests/s, p50 ${waits.p50.toFixed(2)} ms, p99 ${waits.p99.toFixed(1)} ms`,
      );
    }
  }
  const halfLoad = (way: keyof typeof half, wait: keyof Waits): number => median(half[way].map((waits) => waits[wait]));
  return [
    { name: 'vs_node_http', value: rps / median(rounds.node_http), unit: 'x', goal: 0.35 },
    { name: 'vs_no_audit', value: rps / median(rounds.no_audit), unit: 'x', goal: 0.85 },
    { name: 'p99_ms_half_load', value: halfLoad('gatekeeper', 'p99'), unit: 'ms', goal: 5, better: 'less' },
    { name: 'p99_ms_half_load.node_http', value: halfLoad('node_http', 'p99'), unit: 'ms', better: 'less' },
    { name: 'p50_ms_half_load', value: halfLoad('gatekeeper', 'p50'), unit: 'ms', better: 'less' },
    { name: 'p50_ms_half_load.node_http', value: halfLoad('node_http', 'p50'), unit: 'ms', better: 'less' },
    { name: 'rps', value: rps, unit: '1/s' },
    { name: 'rps.node_http', value: median(rounds.node_http), unit: '1/s' },
    { name: 'rps.no_audit', value: median(rounds.no_audit), unit: '1/s' },
    ...POLICY_RULES.map((rules) => ({
      name: `policy_us.${rules}`,
      value: decisionCost(rules),
      unit: 'µs',
      better: 'less' as const,
    })),
    ...WAYS.map((way) => ({ name: `cpu_us.${way}`, value: median(cpu[way]), unit: 'µs', better: 'less' as const })),
  ];
}

/** Resolves when the database has every event, and the transparency log too. */
async function audited(url: string, stop: AbortSignal): Promise<void> {
  const deadline = Date.now() + CAUGHT_UP_MS;
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`, { signal: stop })).text();
    const count = (name: string): number => Number(new RegExp(`^gravitas_${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
    const [accepted, logged] = [count('audit_accepted_total'), count('tlog_events_total')];
    if (accepted === logged) return;
    if (Date.now() > deadline)
      throw new Error(`after ${CAUGHT_UP_MS} ms ${logged} of ${accepted} events are in the transparency log`);
    await sleep(POLL_MS, undefined, { signal: stop });
  }
}

async function startServers(
  { directory }: BenchContext,
  database: GatekeeperDatabase,
  keys: Server,
): Promise<Record<Way, ServerProcess>> {
  const gatekeeper = async (name: string, more: Record<string, string>): Promise<ServerProcess> => {
    const env = {
      GATEKEEPER_PORT: String(await findFreePort()),
      GATEKEEPER_DATABASE_URL: database.urlOf('runtime'),
      GATEKEEPER_MIGRATION_URL: database.urlOf('owner'),
      GATEKEEPER_READER_URL: database.urlOf('reader'),
      GATEKEEPER_NOTARY_URL: database.urlOf('notary'),
      GATEKEEPER_JWKS_URL: `http://127.0.0.1:${(keys.address() as AddressInfo).port}/jwks.json`,
      JWT_SECRET_KEY: UNUSED,
      SERVICE_KEY: `${UNUSED} too`,
      GRAVITAS_HOME: join(directory, name),
      GATEKEEPER_LOG_KEY_PATH: join(directory, 'log.key'),
      LOG_LEVEL: 'warn',
      ...more,
    };
    return startServer('apps/gatekeeper/src/main.js', env, 'bench/support/gatekeeper-preload.js');
  };
  return {
    node_http: await startServer('bench/support/echo-server.js', {}),
    // The first to come leads the transparency log: its own cost, not its neighbour's.
    gatekeeper: await gatekeeper('audit', {}),
    no_audit: await gatekeeper('no-audit', { BENCH_AUDIT: 'off' }),
  };
}

async function serveKeys(publicKey: KeyObject): Promise<Server> {
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', use: 'sig', alg: 'ES256' };
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function agentToken(key: KeyObject): Promise<string> {
  return new SignJWT({ groups: ['scout'] })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'bench' })
    .setSubject('Scout')
    .setIssuedAt()
    .setExpirationTime('1h')
    .setJti(randomUUID())
    .sign(key);
}
