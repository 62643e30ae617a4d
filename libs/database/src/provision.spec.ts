import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, escapeIdentifier } from 'pg';
import { testPostgresUrl, waitFor } from '#testing';
import { connectionUrl } from './connection-url.js';
import { type DatabaseSpec, provision } from './provision.js';

const adminUrl = testPostgresUrl();
const suffix = randomBytes(4).toString('hex');

function spec(app: string): DatabaseSpec {
  const database = `provision_${app}_${suffix}`;
  return {
    database,
    owner: { name: `${database}_owner`, password: `owner/${suffix}@:%` },
    runtime: { name: database, password: `runtime/${suffix}@:%` },
  };
}

describe('provision', () => {
  const managedAdmin = { user: `provision_admin_${suffix}`, password: suffix };
  const specs = [spec('one'), spec('two'), spec('three')];
  const managed = [spec('managed')];
  const [one, two] = specs as [DatabaseSpec, DatabaseSpec];

  const managedUrl = connectionUrl(adminUrl, managedAdmin);

  beforeAll(async () => {
    const { user, password } = managedAdmin;
    await withClient(adminUrl, (client) =>
      client.query(`CREATE ROLE ${escapeIdentifier(user)} LOGIN CREATEDB CREATEROLE PASSWORD '${password}'`),
    );
    await provision(adminUrl, specs);
  });

  afterAll(async () => {
    await withClient(adminUrl, async (client) => {
      for (const { database } of [...specs, ...managed]) {
        await client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(database)} WITH (FORCE)`);
      }
      for (const { owner, runtime } of [...specs, ...managed]) {
        for (const { name } of [owner, runtime]) await client.query(`DROP ROLE IF EXISTS ${escapeIdentifier(name)}`);
      }
      await client.query(`DROP ROLE IF EXISTS ${escapeIdentifier(managedAdmin.user)}`);
    });
  });

  const pairs = specs.flatMap((from) => specs.filter((to) => to !== from).map(({ database }) => ({ from, database })));

  it.each(pairs)('refuses $from.runtime.name and its owner to connect to $database', async ({ from, database }) => {
    for (const { name, password } of [from.runtime, from.owner]) {
      const url = connectionUrl(adminUrl, { database, user: name, password });
      await expect(withClient(url, select)).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('lets the owner make tables and the runtime role only use the schema', async () => {
    await withClient(as(one, 'owner'), (client) => client.query('CREATE TABLE IF NOT EXISTS things(id int)'));
    await withClient(as(one, 'runtime'), async (client) => {
      await expect(client.query('CREATE TABLE mine(id int)')).rejects.toMatchObject({ code: '42501' });
      await expect(client.query('SELECT * FROM things')).rejects.toMatchObject({ code: '42501' });
      const { rows } = await client.query<{ statement_timeout: string }>('SHOW statement_timeout');
      expect(rows).toEqual([{ statement_timeout: '30s' }]);
    });
  });

  it('runs again without a change, and takes a new password', async () => {
    const lines: string[] = [];
    const changed = { ...two, runtime: { ...two.runtime, password: 'another-password' } };
    await provision(adminUrl, [one, changed], (line) => lines.push(line));
    expect(lines).toEqual([]);
    await withClient(as(changed, 'runtime'), select);
    await expect(withClient(as(two, 'runtime'), select)).rejects.toMatchObject({ code: '28P01' });
    await withClient(as(one, 'runtime'), select);
  });

  it('runs twice at once, on a database that neither has made yet', async () => {
    const fresh = spec('race');
    specs.push(fresh);
    await Promise.all([provision(adminUrl, [fresh]), provision(adminUrl, [fresh]), provision(adminUrl, [fresh])]);
    await withClient(as(fresh, 'runtime'), select);
  });

  it('works as the administrator of a managed server, who is no superuser', async () => {
    for (const _time of ['first', 'second']) await provision(managedUrl, managed);
    for (const spec of managed) {
      await withClient(as(spec, 'owner'), select);
      await withClient(as(spec, 'runtime'), select);
    }
  });

  it('says which server it cannot reach, without the password', async () => {
    const url = 'postgresql://postgres:hidden-secret@127.0.0.1:1/postgres';
    const failure = provision(url, specs);
    await expect(failure).rejects.toMatchObject({ code: 'connection_failed' });
    await expect(failure).rejects.toThrow(/127\.0\.0\.1:1.*ECONNREFUSED/);
    await expect(failure).rejects.not.toThrow(/hidden-secret/);
  });

  it('says that the server went away while it was at it', async () => {
    await withClient(adminUrl, async (client) => {
      await client.query('SELECT pg_advisory_lock(7217018001)');
      const failure = provision(managedUrl, managed).catch((error: unknown) => error);
      const ended = await waitFor('it to wait for the lock', async () => {
        const { rows } = await client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'`,
          [managedAdmin.user],
        );
        return rows.length > 0;
      });
      expect(ended).toBe(true);
      expect(await failure).toMatchObject({
        code: 'connection_failed',
        message: expect.stringContaining('The server went away'),
      });
    });
  });

  it('refuses names and passwords that it would have to escape', async () => {
    const bad = { ...one, database: 'x"; DROP DATABASE y' };
    await expect(provision(adminUrl, [bad])).rejects.toMatchObject({ code: 'invalid_spec' });
    const blank = { ...one, runtime: { name: one.runtime.name, password: '' } };
    await expect(provision(adminUrl, [blank])).rejects.toMatchObject({ code: 'invalid_spec' });
  });
});

function as(of: DatabaseSpec, role: 'owner' | 'runtime'): string {
  return connectionUrl(adminUrl, { database: of.database, user: of[role].name, password: of[role].password });
}

const select = (client: Client): Promise<unknown> => client.query('SELECT 1');

async function withClient(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 20_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
