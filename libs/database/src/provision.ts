import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { connectionUrl, redactUrl } from './connection-url.js';
import { isConnectionError } from './connection-errors.js';
import { postgresMessage, ProvisionError, type ProvisionErrorCode } from './provision-error.js';
import { scramVerifier } from './scram-verifier.js';

export interface RoleSpec {
  name: string;
  /** Printable ASCII. */
  password: string;
  /** Row-level security does not hold for it. */
  bypassRls?: boolean;
}

/** One service's database: `owner` migrates it, `runtime` is what the service runs as; `further` logins are for one purpose each. */
export interface DatabaseSpec {
  database: string;
  owner: RoleSpec;
  runtime: RoleSpec;
  further?: Readonly<Record<string, RoleSpec>>;
}

/** Any two processes that provision the same server take turns on this key. */
const LOCK_KEY = 7_217_018_001;
const LOCK_TIMEOUT_MS = 60_000;
const NAME = /^[a-z_][a-z0-9_]{0,62}$/;
const PASSWORD = /^[\x21-\x7e]{8,}$/;

/** What a service's session may take at most; a service that needs longer says so itself. */
const RUNTIME_LIMITS = { statement_timeout: '30s', idle_in_transaction_session_timeout: '60s', lock_timeout: '10s' };

/**
 * Makes each service's database and its roles, and closes them to everybody else. Privileges on tables are left to
 * the migrations. Idempotent: it can be interrupted, run again, and run by two processes at once (they take turns, by an
 * advisory lock on the database of `adminUrl`). PostgreSQL 15 or newer. The administrator is a superuser, or, on a managed
 * server, a role with CREATEDB and CREATEROLE (and BYPASSRLS where a role of the specs is to have it). Not through a transaction pooler.
 * @throws ProvisionError `invalid_spec`, `connection_failed`, `lock_timeout`, `role_failed`, `database_failed`,
 * `privileges_failed`
 */
export async function provision(
  adminUrl: string,
  specs: readonly DatabaseSpec[],
  onProgress: (line: string) => void = () => undefined,
): Promise<void> {
  specs.forEach(checkSpec);
  await withClient(adminUrl, async (admin) => {
    await takeLock(admin);
    const superuser = await isSuperuser(admin);
    for (const spec of specs) {
      for (const role of allRoles(spec)) await ensureRole(admin, role, superuser, onProgress);
      await ensureDatabase(admin, spec, superuser, onProgress);
    }
    // Independent of each other by now; one connection each.
    await Promise.all(specs.map((spec) => closeToOthers(adminUrl, spec)));
  });
}

function allRoles({ owner, runtime, further }: DatabaseSpec): RoleSpec[] {
  return [owner, runtime, ...Object.values(further ?? {})];
}

/** All but the owner. */
function users({ runtime, further }: DatabaseSpec): string[] {
  return [runtime, ...Object.values(further ?? {})].map(({ name }) => escapeIdentifier(name));
}

function checkSpec(spec: DatabaseSpec): void {
  for (const name of [spec.database, ...allRoles(spec).map((role) => role.name)]) {
    if (NAME.test(name)) continue;
    throw new ProvisionError('invalid_spec', `"${name}" is no valid name for a role or database: use ${NAME.source}.`);
  }
  for (const { name, password } of allRoles(spec)) {
    if (PASSWORD.test(password)) continue;
    throw new ProvisionError('invalid_spec', `The password of ${name} must be 8 or more printable ASCII characters.`);
  }
}

async function takeLock(admin: Client): Promise<void> {
  const fix = 'Another process is provisioning this server; wait for it to end, or end it.';
  await attempt('lock_timeout', 'The lock of whoever provisions this server was not to be had.', fix, async () => {
    await admin.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await admin.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]);
  });
}

async function isSuperuser(admin: Client): Promise<boolean> {
  const { rows } = await admin.query<{ rolsuper: boolean }>(
    'SELECT rolsuper FROM pg_roles WHERE rolname = current_user',
  );
  return rows[0]?.rolsuper ?? false;
}

async function ensureRole(
  admin: Client,
  role: RoleSpec,
  superuser: boolean,
  onProgress: (line: string) => void,
): Promise<void> {
  const name = escapeIdentifier(role.name);
  const login = `LOGIN PASSWORD ${escapeLiteral(scramVerifier(role.password))}`;
  const rowSecurity = role.bypassRls ? 'BYPASSRLS' : 'NOBYPASSRLS';
  const attributes = `NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION ${rowSecurity}`;
  const fix = `Connect as a superuser, or as a role with CREATEROLE${role.bypassRls ? ' and BYPASSRLS' : ''} that made this role itself.`;
  await attempt('role_failed', `Role ${role.name} could not be made.`, fix, async () => {
    const { rows } = await admin.query<{ bypass: boolean }>(
      'SELECT rolbypassrls AS bypass FROM pg_roles WHERE rolname = $1',
      [role.name],
    );
    const [existing] = rows;
    if (existing === undefined) {
      await admin.query(`CREATE ROLE ${name} ${login} ${attributes}`);
      onProgress(`role ${role.name} made`);
      return;
    }
    // Naming the other attributes of a role that exists takes a superuser, even to leave them as they are.
    const changed = existing.bypass === (role.bypassRls ?? false) ? '' : rowSecurity;
    await admin.query(`ALTER ROLE ${name} ${login} ${superuser ? attributes : changed}`);
  });
}

async function ensureDatabase(
  admin: Client,
  spec: DatabaseSpec,
  superuser: boolean,
  onProgress: (line: string) => void,
): Promise<void> {
  const { database, owner } = spec;
  const [name, ownerName] = [database, owner.name].map(escapeIdentifier);
  const fix = 'Connect as a superuser, or as a role with CREATEDB and CREATEROLE.';
  await attempt('database_failed', `Database ${database} could not be made.`, fix, async () => {
    // Who is no superuser can give a database only to a role it is a member of.
    if (!superuser) await admin.query(`GRANT ${ownerName} TO CURRENT_USER`);
    const found = await admin.query<{ owner: string }>(
      'SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = $1',
      [database],
    );
    const currentOwner = found.rows[0]?.owner;
    if (currentOwner === undefined) {
      await admin.query(`CREATE DATABASE ${name} OWNER ${ownerName}`);
      onProgress(`database ${database} made`);
    } else if (currentOwner !== owner.name) {
      await admin.query(`ALTER DATABASE ${name} OWNER TO ${ownerName}`);
    }
    await admin.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
    for (const role of users(spec)) {
      await admin.query(`GRANT CONNECT, TEMPORARY ON DATABASE ${name} TO ${role}`);
      for (const [setting, value] of Object.entries(RUNTIME_LIMITS))
        await admin.query(`ALTER ROLE ${role} IN DATABASE ${name} SET ${setting} = ${escapeLiteral(value)}`);
    }
  });
}

async function closeToOthers(adminUrl: string, spec: DatabaseSpec): Promise<void> {
  const { database, owner } = spec;
  await withClient(connectionUrl(adminUrl, { database }), async (client) => {
    const fix = `Is schema public of ${database} there, and may the administrator change it?`;
    await attempt('privileges_failed', `Schema public of ${database} could not be closed.`, fix, async () => {
      await client.query('BEGIN');
      await client.query(`ALTER SCHEMA public OWNER TO ${escapeIdentifier(owner.name)}`);
      await client.query('REVOKE ALL ON SCHEMA public FROM PUBLIC');
      await client.query(`GRANT USAGE ON SCHEMA public TO ${users(spec).join(', ')}`);
      await client.query('COMMIT');
    });
  });
}

async function withClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 90_000,
    application_name: 'gravitas-provision',
  });
  // A connection that breaks while idle is reported by the next query.
  client.on('error', () => undefined);
  const fix = 'Is the server up, and are user and password right?';
  await attempt('connection_failed', `No connection to ${redactUrl(url)}.`, fix, () => client.connect());
  try {
    await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function attempt(
  code: ProvisionErrorCode,
  what: string,
  fix: string,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const gone = code !== 'connection_failed' && isConnectionError(cause);
    throw new ProvisionError(
      gone ? 'connection_failed' : code,
      `${what} ${postgresMessage(cause)}. ${gone ? 'The server went away: once it is up, try again.' : fix}`,
      { cause },
    );
  }
}
