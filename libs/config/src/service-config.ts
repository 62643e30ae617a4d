import { z } from 'zod';
import { DEFAULT_PORTS, SERVICES, type ServiceName } from '#contracts';
import { ConfigError } from './config-error.js';
import { env } from './env.js';
import { failRules, type FailMode, type FailRule } from './fail-modes.js';
import { deepFreeze, readSettings, type Environment } from './load-config.js';

/** What every service is configured by, whatever it does. Frozen. */
export interface ServiceConfig {
  name: ServiceName;
  version: string;
  http: { host: string; port: number };
  database: DatabaseSettings;
  auth: { serviceKey: string; disabled: boolean };
  /** Where each service is reached, this one included. */
  peers: Record<ServiceName, string>;
  log: { level: string };
  audit: AuditSettings;
  /** Milliseconds, one after the other: for open requests, for what a service buffers, for the audit queue; and for all of it. */
  shutdown: { drainMs: number; buffersMs: number; auditMs: number; totalMs: number };
}

export interface DatabaseSettings {
  url: string;
  migrationUrl: string;
  /** Where it is written down which migrations were run. */
  migrationsTable: string;
  poolSize: number;
  /** The database of its own that the service moves to, or has moved to; undefined when there is no move. */
  split: { url: string; migrationUrl: string } | undefined;
}

export interface AuditSettings {
  /** false: write through; a record is durable only once its row is committed. */
  async: boolean;
  maxEvents: number;
  maxBytes: number;
  batchSize: number;
  flushIntervalMs: number;
  spoolDir: string;
  maxSpoolBytes: number;
  /** What a record survives once it is durable: the end of the process, the loss of power, or neither. */
  durability: 'process' | 'disk' | 'memory';
  /** For actions that no rule of `failModes` names. */
  failMode: FailMode;
  /** The most exact one decides. */
  failModes: readonly FailRule[];
  /** How long a record may wait for room before it is refused, in milliseconds; 0: not at all. */
  fullWaitMs: number;
}

const VERSION = '0.1.0';
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Named after the service: `PORT` is read from `GUARDIAN_PORT`. */
const named = (service: ServiceName) => ({
  PORT: env.port(DEFAULT_PORTS[service]),
  HOST: env.text().default('127.0.0.1'),
  DATABASE_URL: env.postgresUrl(),
  MIGRATION_URL: env.postgresUrl().optional(),
  MIGRATIONS_TABLE: env.identifier('migrations'),
  DATABASE_POOL: env.integer(1, 200, 10),
  SPLIT_DATABASE_URL: env.postgresUrl().optional(),
  SPLIT_MIGRATION_URL: env.postgresUrl().optional(),
});

/** The same name for every service. */
const shared = {
  GATEKEEPER_URL: env.httpUrl().optional(),
  GUARDIAN_URL: env.httpUrl().optional(),
  ROUTER_URL: env.httpUrl().optional(),
  TELEMETRY_URL: env.httpUrl().optional(),
  LOBBY_URL: env.httpUrl().optional(),
  SERVICE_AUTH_DISABLED: env.boolean(false),
  SERVICE_KEY: env.secret(32).optional(),
  LOG_LEVEL: env.choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
  SHUTDOWN_TIMEOUT_MS: env.integer(100, 600_000, 20_000),
  GRAVITAS_HOME: env.text().default('.gravitas'),
  AUDIT_ASYNC: env.boolean(true),
  AUDIT_QUEUE_MAXSIZE: env.integer(1, 10_000_000, 10_000),
  AUDIT_QUEUE_MAXBYTES: env.integer(1024, 16 * 1024 ** 3, 64 * 1024 ** 2),
  AUDIT_BATCH_SIZE: env.integer(1, 5000, 5000),
  AUDIT_FLUSH_INTERVAL_MS: env.integer(1, 60_000, 50),
  AUDIT_SPOOL_DIR: env.text().optional(),
  AUDIT_SPOOL_MAXBYTES: env.integer(1024 ** 2, 1024 ** 4, 1024 ** 3),
  AUDIT_DURABILITY: env.choice(['process', 'disk', 'memory'], 'process'),
  AUDIT_FAIL_MODE: env.choice(['closed', 'open'], 'closed'),
  AUDIT_FAIL_MODES: failRules,
  AUDIT_FULL_WAIT_MS: env.integer(0, 60_000, 0),
};

/**
 * Reads one service's settings: the common ones and its own.
 *
 * @param own zod schemas by environment variable name
 * @returns `service`, the common part, and `own`, the service's own settings by variable name
 * @throws ConfigError naming all bad settings together
 */
export function loadServiceConfig<O extends z.ZodRawShape>(
  name: ServiceName,
  own: O,
  environment: Environment,
): { service: ServiceConfig; own: z.output<z.ZodObject<O>> } {
  const prefix = `${name.toUpperCase()}_`;
  const ofService = readSettings(z.object(named(name)), environment, (key) => prefix + key);
  const ofAll = readSettings(z.object(shared), environment);
  const ofOwn = readSettings(z.object(own), environment);
  const problems = [...ofService.problems, ...ofAll.problems, ...ofOwn.problems];

  if (ofAll.data && !ofAll.data.SERVICE_AUTH_DISABLED && ofAll.data.SERVICE_KEY === undefined)
    problems.push('SERVICE_KEY: is required (or, in development only, SERVICE_AUTH_DISABLED=true)');
  if (ofAll.data?.SERVICE_AUTH_DISABLED && ofService.data && !LOOPBACK.has(ofService.data.HOST))
    problems.push(
      `SERVICE_AUTH_DISABLED: is for development and refuses ${prefix}HOST=${ofService.data.HOST}; bind loopback`,
    );
  if (!ofService.data || !ofAll.data || !ofOwn.data || problems.length > 0) throw new ConfigError(name, problems);

  return { service: deepFreeze(assemble(name, ofService.data, ofAll.data)), own: ofOwn.data };
}

type Named = z.output<z.ZodObject<ReturnType<typeof named>>>;
type Shared = z.output<z.ZodObject<typeof shared>>;

function assemble(name: ServiceName, own: Named, all: Shared): ServiceConfig {
  const given: Record<ServiceName, string | undefined> = {
    gatekeeper: all.GATEKEEPER_URL,
    guardian: all.GUARDIAN_URL,
    router: all.ROUTER_URL,
    telemetry: all.TELEMETRY_URL,
    lobby: all.LOBBY_URL,
  };
  const urlOf = (peer: ServiceName) =>
    given[peer] ?? `http://127.0.0.1:${peer === name ? own.PORT : DEFAULT_PORTS[peer]}`;
  return {
    name,
    version: VERSION,
    http: { host: own.HOST, port: own.PORT },
    database: {
      url: own.DATABASE_URL,
      migrationUrl: own.MIGRATION_URL ?? own.DATABASE_URL,
      migrationsTable: own.MIGRATIONS_TABLE,
      poolSize: own.DATABASE_POOL,
      split: own.SPLIT_DATABASE_URL
        ? { url: own.SPLIT_DATABASE_URL, migrationUrl: own.SPLIT_MIGRATION_URL ?? own.SPLIT_DATABASE_URL }
        : undefined,
    },
    // With authentication off nothing is checked against the key; it only has to be there.
    auth: {
      serviceKey: all.SERVICE_KEY ?? 'service authentication is disabled',
      disabled: all.SERVICE_AUTH_DISABLED,
    },
    peers: Object.fromEntries(SERVICES.map((peer) => [peer, urlOf(peer)])) as Record<ServiceName, string>,
    log: { level: all.LOG_LEVEL },
    audit: {
      async: all.AUDIT_ASYNC,
      maxEvents: all.AUDIT_QUEUE_MAXSIZE,
      maxBytes: all.AUDIT_QUEUE_MAXBYTES,
      batchSize: all.AUDIT_BATCH_SIZE,
      flushIntervalMs: all.AUDIT_FLUSH_INTERVAL_MS,
      spoolDir: all.AUDIT_SPOOL_DIR ?? `${all.GRAVITAS_HOME}/spool/${name}`,
      maxSpoolBytes: all.AUDIT_SPOOL_MAXBYTES,
      durability: all.AUDIT_DURABILITY,
      failMode: all.AUDIT_FAIL_MODE,
      failModes: all.AUDIT_FAIL_MODES,
      fullWaitMs: all.AUDIT_FULL_WAIT_MS,
    },
    shutdown: shares(all.SHUTDOWN_TIMEOUT_MS),
  };
}

/** What is left over is for connections and pools. */
function shares(totalMs: number): ServiceConfig['shutdown'] {
  return { drainMs: totalMs * 0.3, buffersMs: totalMs * 0.1, auditMs: totalMs * 0.5, totalMs };
}
