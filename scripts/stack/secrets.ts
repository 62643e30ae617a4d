import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createFile, readIfPresent } from './atomic-file.js';
import { type Env } from './apps.js';
import { type Home } from './home.js';

export interface StackSecrets {
  /** Signs and checks agents' tokens (HS256); the gatekeeper's alone. */
  jwtSecretKey: string;
  /** What the services show each other. */
  serviceKey: string;
}

/** From JWT_SECRET_KEY and SERVICE_KEY where they are set, otherwise made once and kept in the home. */
export async function stackSecrets(home: Home, env: Env): Promise<StackSecrets> {
  return {
    jwtSecretKey: env['JWT_SECRET_KEY'] || (await secret(home, 'jwt_secret_key')),
    serviceKey: env['SERVICE_KEY'] || (await secret(home, 'service_key')),
  };
}

/** A PostgreSQL role's password, made once. `postgres` is the superuser. */
export function rolePassword(home: Home, role: string): Promise<string> {
  return secret(home, `postgres_${role}`);
}

/** 256 random bits, base64url, in a file of their own with mode 0600. Two processes that ask at once get the same. */
async function secret(home: Home, name: string): Promise<string> {
  const file = join(home.secrets, name);
  const existing = await readIfPresent(file);
  if (existing) return existing.trim();
  await createFile(file, `${randomBytes(32).toString('base64url')}\n`);
  const made = await readIfPresent(file);
  if (made?.trim()) return made.trim();
  throw new Error(`${file} is empty. Remove it; the next start makes another.`);
}
