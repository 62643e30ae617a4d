import { type Side } from '#decomposition';
import { query } from '../postgres-client.js';
import { ROWS, type Shop } from './shop.js';

/**
 * - `asked`: a write that makes it was sent; no answer yet, or none that says anything
 * - `there`: it was acknowledged
 * - `leaving`, `gone`: the same of a removal
 */
type Fate = 'asked' | 'there' | 'leaving' | 'gone';

/** What the writers know for certain of their rows. A write that failed may have happened: its writer asks again until it is told. */
export class Ledger {
  readonly events = new Map<string, Fate>();
  readonly orders = new Map<string, Fate>();
  /** By `tenant/name`: the last version that was acknowledged, and the last that was asked for. */
  readonly settings = new Map<string, { sure: number; asked: number }>();
  /** Answers that no kill explains. */
  readonly failures: string[] = [];
  acknowledged = 0;
  /** Writes that were not acknowledged, by why. */
  readonly unknown = new Map<string, number>();

  /**
   * Compares with the side that takes writes; what is being written meanwhile is left out.
   *
   * @returns what was lost, doubled, changed or invented
   */
  async judge({ urls }: Shop, side: Side): Promise<string[]> {
    const before = [this.events, this.orders].map((fates) => new Map(fates));
    const settings = new Map([...this.settings].map(([key, versions]) => [key, { ...versions }]));
    const url = urls[side];
    const events = await ids(url, `SELECT id::text FROM events WHERE at > now() - interval '1 year'`);
    const orders = await ids(url, `SELECT ref AS id FROM orders WHERE ref NOT LIKE 'old-%'`);
    const versions = await query<{ key: string; version: number; value: number }>(
      url,
      `SELECT tenant || '/' || name AS key, version, (value ->> 'version')::int AS value FROM settings WHERE tenant NOT LIKE 'old-%'`,
    );
    return [
      ...compare('event', before[0]!, this.events, events),
      ...compare('order', before[1]!, this.orders, orders),
      ...versions.flatMap(({ key, version, value }) => {
        const asked = this.settings.get(key)?.asked ?? 0;
        if (version > asked || version !== value)
          return [`setting ${key} has version ${version}, ${value}; asked: ${asked}`];
        return version < (settings.get(key)?.sure ?? 0)
          ? [`setting ${key} has version ${version}; acknowledged: ${settings.get(key)!.sure}`]
          : [];
      }),
      ...[...settings]
        .filter(([key, { sure }]) => sure > 0 && !versions.some((row) => row.key === key))
        .map(([key]) => `setting ${key} is lost`),
      ...(await oldRows(url)),
      ...this.failures,
    ];
  }
}

async function ids(url: string, sql: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { id } of await query<{ id: string }>(url, sql)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

function compare(
  what: string,
  before: ReadonlyMap<string, Fate>,
  now: ReadonlyMap<string, Fate>,
  found: ReadonlyMap<string, number>,
): string[] {
  const wrong: string[] = [];
  for (const [id, fate] of before) {
    const count = found.get(id) ?? 0;
    if (count > 1) wrong.push(`${what} ${id} is there ${count} times`);
    if (now.get(id) !== fate) continue;
    if (fate === 'there' && count === 0) wrong.push(`${what} ${id} is lost`);
    if (fate === 'gone' && count > 0) wrong.push(`${what} ${id} was removed, and is there`);
  }
  for (const id of found.keys()) if (!now.has(id)) wrong.push(`${what} ${id} was never asked for`);
  return wrong;
}

/** Those that were there before the writers came are as they were. */
async function oldRows(url: string): Promise<string[]> {
  const [row] = await query<{ sum: string }>(
    url,
    `SELECT concat_ws(' ',
       (SELECT count(*) || ':' || count(*) FILTER (WHERE id = md5('old' || (body ->> 'i'))::uuid) FROM events
        WHERE at < '2020-01-01'::timestamptz + ${ROWS} * interval '1 minute'),
       (SELECT count(*) || ':' || count(*) FILTER (WHERE note = repeat(md5(substr(ref, 5)), substr(ref, 5)::int % 20))
        FROM orders WHERE ref LIKE 'old-%'),
       (SELECT count(*) || ':' || count(*) FILTER (WHERE name = 'name-' || (value ->> 'i')) FROM settings
        WHERE tenant LIKE 'old-%')) AS sum`,
  );
  const expected = Array<string>(3).fill(`${ROWS}:${ROWS}`).join(' ');
  return row!.sum === expected ? [] : [`old rows: ${row!.sum}, not ${expected}`];
}
