import pg from 'pg';
import { connectionUrl, isConnectionError, provision, ProvisionError, type RoleSpec } from '#database';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type Login } from '../plan/plan.js';

/** As the plan and the URL have it. */
export function targetDatabase({ service }: Move): string {
  return decodeURIComponent(new URL(service.target).pathname.slice(1));
}

/**
 * Makes the service's database and its logins, and closes it to all others. The administrator of the target's URL does it, from the
 * server's database `postgres`.
 *
 * @returns the URL of the target as the service's owner
 * @throws SplitError `unreachable`, or `refused` when it cannot be done
 */
export async function provisionTarget(move: Move, passwords: (login: Login) => string): Promise<string> {
  const { owner, runtime, further } = move.service;
  const spec = (login: Login): RoleSpec => ({
    name: login.name,
    password: passwords(login),
    bypassRls: login.bypass_rls,
  });
  const database = targetDatabase(move);
  const specs = {
    database,
    owner: spec(owner),
    runtime: spec(runtime),
    further: Object.fromEntries(further.map((login) => [login.name, spec(login)])),
  };
  try {
    await provision(connectionUrl(move.urls.target, { database: 'postgres' }), [specs], (line) =>
      move.progress.note(line),
    );
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    const code = error.code === 'connection_failed' ? 'unreachable' : 'refused';
    throw new SplitError(code, error.message, 'Mend that, and run `create` again.', { cause: error });
  }
  return connectionUrl(move.urls.target, { user: specs.owner.name, password: specs.owner.password });
}

/**
 * Making the target's database the service's own would take the shared one away from all others.
 *
 * @returns whether the target's database is there
 * @throws SplitError `invalid_plan` when source and target are one database; `unreachable`, or `refused` when the server lets nobody in
 */
export async function checkApart(move: Move): Promise<boolean> {
  // Anybody may know when a server started; not every administrator what it is called.
  const sql = 'SELECT extract(epoch FROM pg_postmaster_start_time()) || current_database() AS id';
  const source = await move.databases.source.query<{ id: string }>(sql);
  // Of its own: the pool must not keep connections while the database is closed to others.
  const client = new pg.Client({
    connectionString: move.urls.target,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const target = await client.query<{ id: string }>(sql);
    if (target.rows[0]!.id !== source.rows[0]!.id) return true;
  } catch (error) {
    if ((error as { code?: string }).code === '3D000') return false;
    throw new SplitError(
      isConnectionError(error) ? 'unreachable' : 'refused',
      `No connection to the target of ${move.service.name}: ${(error as Error).message}.`,
      'Is the server up, and is the URL in the plan right?',
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
  throw new SplitError(
    'invalid_plan',
    `Source and target of ${move.service.name} are the same database.`,
    'Give the service a database of its own in the plan: `create` makes it.',
  );
}
