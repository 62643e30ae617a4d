import { join } from 'node:path';
import { z } from 'zod';
import { env, loadServiceConfig, type Environment, type ServiceConfig } from '#config';
import { duration, MAX_CERTIFICATE_SECONDS, name } from '#contracts';

export interface GuardianConfig {
  service: ServiceConfig;
  /** The Ed25519 private key, PKCS8 PEM. Made at the first boot. */
  signingKeyPath: string;
  /** Agents that get a certificate when they never had one. */
  defaultAgents: readonly string[];
  /** How long those certificates hold. Seconds. */
  certificateTtl: number;
  /** After how long without a sign of life a session is abandoned. Seconds. */
  sessionTimeout: number;
}

const DEFAULT_AGENTS = 'Supervisor,Supervisor_Managed_Agent,Librarian,Scout';

const MAX_SESSION_TIMEOUT_SECONDS = 30 * 86_400;

/** Names with commas between them; a lone comma is an empty list. */
const agents = z
  .string()
  .transform((text) => [...new Set(text.split(',').map((part) => part.trim()))].filter((part) => part !== ''))
  .pipe(z.array(name));

/** @throws ConfigError naming all bad settings together */
export function loadConfig(environment: Environment): GuardianConfig {
  const { service, own } = loadServiceConfig(
    'guardian',
    {
      GRAVITAS_HOME: env.text().default('.gravitas'),
      GUARDIAN_SIGNING_KEY_PATH: env.text().optional(),
      GUARDIAN_DEFAULT_CERTIFICATES: agents.prefault(DEFAULT_AGENTS),
      GUARDIAN_CERTIFICATE_TTL: duration(1, MAX_CERTIFICATE_SECONDS).prefault('365d'),
      GUARDIAN_SESSION_TIMEOUT: duration(1, MAX_SESSION_TIMEOUT_SECONDS).prefault('1h'),
    },
    environment,
  );
  return {
    service,
    signingKeyPath: own.GUARDIAN_SIGNING_KEY_PATH ?? join(own.GRAVITAS_HOME, 'keys', 'guardian-signing-key.pem'),
    defaultAgents: own.GUARDIAN_DEFAULT_CERTIFICATES,
    certificateTtl: own.GUARDIAN_CERTIFICATE_TTL,
    sessionTimeout: own.GUARDIAN_SESSION_TIMEOUT,
  };
}

/** Injects the configuration. */
export const CONFIG = Symbol('guardian config');
