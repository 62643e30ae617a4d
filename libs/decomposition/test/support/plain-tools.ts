import { setTimeout as sleep } from 'node:timers/promises';
import { escapeIdentifier } from 'pg';
import { fullName, quoted } from '../../src/core/catalogue/table.js';
import { type Move } from '../../src/core/move.js';
import { otherSide, type Side } from '../../src/core/side.js';
import { type Found, type SwitchTools } from '../../src/core/switch/tools.js';
import { type TriggerStreams } from './trigger-stream.js';

/** The simplest that can be: whole tables are compared. */
export function plainTools(streams: TriggerStreams): SwitchTools {
  return {
    openStream: streams.open,
    verify: async (move) => {
      const { phase } = await move.state.read();
      const from = phase === 'switched' ? 'target' : 'source';
      // What is on its way is no difference.
      await streams.open(move, from).catchUp(20_000, move.signal);
      let differences = await compare(move, from);
      for (let i = 0; i < 50 && differences.length > 0; i += 1) {
        await sleep(20);
        const again = await compare(move, from);
        differences = again.filter(({ key }) => differences.some((old) => String(old.key) === String(key)));
      }
      const clean = differences.length === 0;
      if (clean) await move.state.change({ verifiedAt: new Date() });
      const tables = [];
      for (const table of await move.tables('target')) {
        const { rows } = await move.databases.target.query<{ rows: number }>(
          `SELECT count(*)::int AS rows FROM ${quoted(table)}`,
        );
        tables.push({ table: fullName(table), rows: rows[0]!.rows });
      }
      return { clean, differences, tables };
    },
    verifyDelta: compare,
    noteCutKeys: () => Promise.resolve(),
    advanceSequences: async (move, to) => {
      const from = otherSide(to);
      const { rows } = await move.databases[from].query<{ last: string }>(
        'SELECT last_value::text AS last FROM item_id_seq',
      );
      await move.databases[to].query(
        `SELECT setval('item_id_seq', greatest($1::bigint, last_value)) FROM item_id_seq`,
        [rows[0]!.last],
      );
    },
    restorable: async (_, keys) => keys,
    driftOf: async () => [],
  };
}

/** All rows of all tables. */
export async function compare(move: Move, from: Side): Promise<Found[]> {
  const found: Found[] = [];
  for (const table of await move.tables('target')) {
    const key = table.key.map(({ name }) => `${escapeIdentifier(name)}::text`).join(', ');
    const read = async (side: Side): Promise<Map<string, { key: string[]; row: string }>> => {
      const { rows } = await move.databases[side].query<{ key: string[]; row: string }>(
        `SELECT ARRAY[${key}] AS key, t::text AS row FROM ${quoted(table)} t`,
      );
      return new Map(rows.map((row) => [row.key.join('\u0000'), row]));
    };
    const [there, here] = [await read(from), await read(otherSide(from))];
    const add = (row: { key: string[] }, kind: string): void =>
      void found.push({ table: fullName(table), key: row.key, kind, detail: `on the ${otherSide(from)}` });
    for (const [text, row] of there)
      if (here.get(text)?.row !== row.row) add(row, here.has(text) ? 'changed' : 'missing');
    for (const [text, row] of here) if (!there.has(text)) add(row, 'extra');
  }
  return found;
}
