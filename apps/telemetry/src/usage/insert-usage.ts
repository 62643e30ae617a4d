import { type ClientBase } from 'pg';
import { type z } from 'zod';
import { type usageRecord } from '#contracts';

export type Usage = z.output<typeof usageRecord>;

const COLUMNS = {
  id: 'uuid',
  timestamp: 'timestamptz',
  tenant_id: 'text',
  ghost_id: 'text',
  model: 'text',
  provider: 'text',
  tier: 'text',
  tokens_in: 'bigint',
  tokens_out: 'bigint',
  cost_usd: 'numeric',
  latency_ms: 'float8',
  outcome: 'text',
  session_id: 'text',
} as const satisfies Record<keyof Usage, string>;

const names = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];
const arrays = names.map((name, i) => `$${i + 1}::${COLUMNS[name]}[]`);
const INSERT = `
  INSERT INTO usage_stats (${names.join(', ')})
  SELECT * FROM unnest(${arrays.join(', ')})
  ON CONFLICT (id) DO NOTHING`;

/**
 * One statement for all of them. A record whose id is there already changes nothing: a sender that does not know whether it was
 * heard may repeat itself.
 *
 * @returns the number of records that are new
 */
export async function insertUsage(client: Pick<ClientBase, 'query'>, usage: readonly Usage[]): Promise<number> {
  if (usage.length === 0) return 0;
  const values = names.map((name) => usage.map((record) => record[name] ?? null));
  const { rowCount } = await client.query(INSERT, values);
  return rowCount ?? 0;
}
