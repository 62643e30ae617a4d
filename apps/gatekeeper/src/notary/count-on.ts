import { connectSession } from '#database';

const TIMEOUT_MS = 30_000;

/**
 * Before the first event is written: where the trail came to this cluster as rows, from a dump, its transactions count on from those of
 * the one it came from. Does nothing otherwise, nor the second time.
 *
 * @throws what pg throws
 */
export async function countOn(url: string, log: { warn: (details: object, message: string) => void }): Promise<void> {
  const client = await connectSession({
    connectionString: url,
    application_name: 'gravitas-gatekeeper-notary',
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  try {
    const { rows } = await client.query<{ on: boolean }>('SELECT audit_count_on() AS on');
    if (rows[0]!.on) log.warn({}, 'the trail comes from another cluster: the order of its events goes on from there');
  } finally {
    await client.end();
  }
}
