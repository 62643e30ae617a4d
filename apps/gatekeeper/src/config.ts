import { join } from 'node:path';
import { ConfigError, env, loadServiceConfig, type Environment, type ServiceConfig } from '#config';
import { duration } from '#contracts';
import { isKeyName } from '#tlog';
import { witnessList, type Witness } from './notary/core/witness-list.js';

const DAY = 86_400;

export interface GatekeeperConfig {
  service: ServiceConfig;
  jwt: {
    /** For HS256. */
    secret: string;
    /** For RS256, ES256 and EdDSA: where the identity provider publishes its keys. */
    jwksUrl?: string | undefined;
    issuer?: string | undefined;
    audience?: string | undefined;
    /** Seconds that a token may be good for. */
    maxLifetime: number;
  };
  /** The log's name, which each tenant's own begins with, and its Ed25519 private key (PKCS8 PEM), made at the first boot. */
  transparencyLog: { name: string; keyPath: string };
  /** Who cosigns checkpoints, and the milliseconds between two of one tenant's that each is asked about. */
  witnesses: { list: readonly Witness[]; intervalMs: number };
  policyPath: string;
  /** Requests a second and at once, for each ghost; a rate of 0 is no limit. */
  rateLimit: { rate: number; burst: number };
  /** Months of the trail: kept ahead of now, kept open behind it, and kept at all (0: for ever). */
  months: { ahead: number; back: number; retention: number };
  /** Reads the trail, one tenant at a time. */
  readerUrl: string;
  /** Reads the whole trail, and keeps its transparency log. */
  notaryUrl: string;
  /** The reader's and the notary's URLs in the database that the service moves to; empty when there is no move. */
  movedConnections: readonly { source: string; target: string }[];
  /** Whether a policy file that changes comes into force by itself. */
  policyWatch: boolean;
}

/** Each tenant's origin is longer by its name. */
const MAX_LOG_NAME = 200;

/** @throws ConfigError naming all bad settings together */
export function loadConfig(environment: Environment): GatekeeperConfig {
  const { service, own } = loadServiceConfig(
    'gatekeeper',
    {
      GATEKEEPER_READER_URL: env.postgresUrl(),
      GATEKEEPER_NOTARY_URL: env.postgresUrl(),
      GATEKEEPER_SPLIT_READER_URL: env.postgresUrl().optional(),
      GATEKEEPER_SPLIT_NOTARY_URL: env.postgresUrl().optional(),
      GRAVITAS_HOME: env.text().default('.gravitas'),
      GATEKEEPER_LOG_NAME: env
        .text()
        .refine(isKeyName, 'must not have spaces, a plus or control characters')
        .refine((name) => name.length <= MAX_LOG_NAME, `must have at most ${MAX_LOG_NAME} characters`)
        .default('gravitas'),
      GATEKEEPER_LOG_KEY_PATH: env.text().optional(),
      GATEKEEPER_WITNESSES: witnessList,
      GATEKEEPER_WITNESS_INTERVAL: duration(1, 86_400).default(60),
      JWT_SECRET_KEY: env.secret(32),
      GATEKEEPER_JWKS_URL: env.httpUrl().optional(),
      GATEKEEPER_RATE_LIMIT: env.integer(0, 1_000_000, 0),
      GATEKEEPER_RATE_BURST: env.integer(0, 1_000_000, 0),
      GATEKEEPER_JWT_ISSUER: env.text().optional(),
      GATEKEEPER_JWT_AUDIENCE: env.text().optional(),
      GATEKEEPER_JWT_MAX_LIFETIME: duration(60, 3660 * DAY).default(366 * DAY),
      GATEKEEPER_AUDIT_MONTHS_AHEAD: env.integer(3, 120, 3),
      GATEKEEPER_AUDIT_MONTHS_BACK: env.integer(0, 120, 1),
      GATEKEEPER_AUDIT_RETENTION_MONTHS: env.integer(0, 1200, 0),
      ACCESS_POLICY_PATH: env.text().default('apps/gatekeeper/config/access-policies.yaml'),
      ACCESS_POLICY_WATCH: env.boolean(true),
    },
    environment,
  );
  // Who makes agents' tokens with that key could make services' tokens, and services may do anything.
  if (!service.auth.disabled && own.JWT_SECRET_KEY === service.auth.serviceKey)
    throw new ConfigError('gatekeeper', ['JWT_SECRET_KEY: is the same as SERVICE_KEY; give each a value of its own']);
  const { GATEKEEPER_SPLIT_READER_URL: splitReader, GATEKEEPER_SPLIT_NOTARY_URL: splitNotary } = own;
  if (service.database.split && !(splitReader && splitNotary))
    throw new ConfigError('gatekeeper', [
      'GATEKEEPER_SPLIT_READER_URL, GATEKEEPER_SPLIT_NOTARY_URL: are required with GATEKEEPER_SPLIT_DATABASE_URL',
    ]);
  return {
    service,
    movedConnections:
      splitReader && splitNotary && service.database.split
        ? [
            { source: own.GATEKEEPER_READER_URL, target: splitReader },
            { source: own.GATEKEEPER_NOTARY_URL, target: splitNotary },
          ]
        : [],
    jwt: {
      secret: own.JWT_SECRET_KEY,
      jwksUrl: own.GATEKEEPER_JWKS_URL,
      issuer: own.GATEKEEPER_JWT_ISSUER,
      audience: own.GATEKEEPER_JWT_AUDIENCE,
      maxLifetime: own.GATEKEEPER_JWT_MAX_LIFETIME,
    },
    months: {
      ahead: own.GATEKEEPER_AUDIT_MONTHS_AHEAD,
      back: own.GATEKEEPER_AUDIT_MONTHS_BACK,
      retention: own.GATEKEEPER_AUDIT_RETENTION_MONTHS,
    },
    readerUrl: own.GATEKEEPER_READER_URL,
    notaryUrl: own.GATEKEEPER_NOTARY_URL,
    rateLimit: {
      rate: own.GATEKEEPER_RATE_LIMIT,
      burst: own.GATEKEEPER_RATE_BURST || 2 * own.GATEKEEPER_RATE_LIMIT,
    },
    transparencyLog: {
      name: own.GATEKEEPER_LOG_NAME,
      keyPath: own.GATEKEEPER_LOG_KEY_PATH ?? join(own.GRAVITAS_HOME, 'keys', 'transparency-log-key.pem'),
    },
    witnesses: { list: own.GATEKEEPER_WITNESSES, intervalMs: own.GATEKEEPER_WITNESS_INTERVAL * 1000 },
    policyPath: own.ACCESS_POLICY_PATH,
    policyWatch: own.ACCESS_POLICY_WATCH,
  };
}

/** Injects the configuration. */
export const CONFIG = Symbol('gatekeeper config');
