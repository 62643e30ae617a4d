import { readCheckpoint, tenantOrigin, type NoteVerifier } from '#tlog';
import { type Trail } from './trail.js';

/**
 * The keys by the name that all tenants' origins begin with. A gatekeeper tells its key by the name of one tenant's log, `<name>/<tenant>`;
 * which of both a name is, the newest checkpoints say. Only the name is taken from them: the key itself must still have signed.
 */
export async function withLogName(trail: Trail, keys: readonly NoteVerifier[]): Promise<NoteVerifier[]> {
  return Promise.all(keys.map((key) => renamed(trail, key)));
}

async function renamed(trail: Trail, key: NoteVerifier): Promise<NoteVerifier> {
  const shorter = key.name.slice(0, Math.max(0, key.name.lastIndexOf('/')));
  if (shorter === '') return key;
  for (const tenant of trail.tenants()) {
    const origin = await originOf(trail, tenant);
    if (origin === tenantOrigin(key.name, tenant)) return key;
    if (origin === tenantOrigin(shorter, tenant)) return key.named(shorter);
  }
  return key;
}

/** undefined where there is no checkpoint, or none that can be read: what that means is told later. */
async function originOf(trail: Trail, tenant: string): Promise<string | undefined> {
  try {
    const latest = await trail.log(tenant).latest();
    return latest === null ? undefined : readCheckpoint(latest).origin;
  } catch {
    return undefined;
  }
}
