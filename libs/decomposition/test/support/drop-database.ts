import pg from 'pg';

/** One text of SQL, on a connection of its own. */
export async function once(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000, query_timeout: 30_000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Those of the pool's database; without what they have elsewhere. */
export async function dropSubscriptions(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT quote_ident(subname) AS name FROM pg_subscription
     WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  for (const { name } of rows) {
    await pool.query(`ALTER SUBSCRIPTION ${name} DISABLE`);
    await pool.query(`ALTER SUBSCRIPTION ${name} SET (slot_name = NONE)`);
    await pool.query(`DROP SUBSCRIPTION ${name}`);
  }
}

/** With its slots. @param server URL of any other database there */
export async function dropDatabase(server: string, name: string): Promise<void> {
  await once(
    server,
    `SELECT pg_terminate_backend(active_pid, 20000) FROM pg_replication_slots WHERE database = '${name}' AND active`,
  );
  await once(server, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}'`);
  await once(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}
