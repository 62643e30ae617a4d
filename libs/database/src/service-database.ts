import { connectionUrl } from './connection-url.js';
import { type DatabaseSpec, type RoleSpec } from './provision.js';

/**
 * The gatekeeper's logins beside owner and runtime. `reader` may only read, one tenant's rows at a time, held to it by row-level
 * security; `notary` reads all tenants' rows and keeps the transparency log.
 */
export type FurtherRole = 'reader' | 'notary';
export type DatabaseRole = 'owner' | 'runtime' | FurtherRole;

const COMMON: readonly DatabaseRole[] = ['owner', 'runtime'];
const GATEKEEPER: readonly DatabaseRole[] = [...COMMON, 'reader', 'notary'];
/** COPY FROM is refused under row-level security, so the gatekeeper's runtime role is above it, and may not read the trail at all. */
const ABOVE_ROW_SECURITY: ReadonlySet<DatabaseRole> = new Set<DatabaseRole>(['runtime', 'notary']);

/** The roles that a service's database has. */
export function rolesOf(service: string): readonly DatabaseRole[] {
  return service === 'gatekeeper' ? GATEKEEPER : COMMON;
}

/** The name of a role by that of the runtime role, which is also the database's. */
export function roleName(runtimeRole: string, role: DatabaseRole): string {
  return role === 'runtime' ? runtimeRole : `${runtimeRole}_${role}`;
}

/** A service's database and its roles by their usual names. @param passwordOf by the role's name, printable ASCII */
export async function serviceDatabase(
  service: string,
  database: string,
  passwordOf: (role: DatabaseRole, name: string) => string | Promise<string>,
): Promise<DatabaseSpec> {
  const roles = rolesOf(service);
  const secured = roles === GATEKEEPER;
  const spec = async (role: DatabaseRole): Promise<RoleSpec> => {
    const name = roleName(database, role);
    const bypassRls = secured && ABOVE_ROW_SECURITY.has(role);
    return { name, password: await passwordOf(role, name), ...(bypassRls && { bypassRls }) };
  };
  const [owner, runtime] = [await spec('owner'), await spec('runtime')];
  return secured
    ? { database, owner, runtime, further: { reader: await spec('reader'), notary: await spec('notary') } }
    : { database, owner, runtime };
}

/** The URL of a service's database as one of its roles. @throws Error when it has no such role */
export function roleUrl(serverUrl: string, spec: DatabaseSpec, role: DatabaseRole): string {
  const found = role === 'owner' || role === 'runtime' ? spec[role] : spec.further?.[role];
  if (!found) throw new Error(`${spec.database} has no role "${role}"`);
  return connectionUrl(serverUrl, { database: spec.database, user: found.name, password: found.password });
}
