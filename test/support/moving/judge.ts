import { type ServiceName } from '#contracts';
import { type Ledger } from './ledger.js';

type Query = <R>(sql: string, values?: unknown[]) => Promise<R[]>;

/** Reads each service's data where it takes writes now. */
export type Databases = Readonly<Record<ServiceName, Query>>;

/** Rows that were there before the load began: how many, and a sum of what is in them. */
export type Old = Readonly<Record<string, string>>;

const OLD: Readonly<Record<string, { service: ServiceName; where: string }>> = {
  agent_badges: { service: 'guardian', where: `ghost_id LIKE 'Old%'` },
  history: { service: 'lobby', where: `request_id LIKE 'old-%'` },
  system_telemetry: { service: 'telemetry', where: `event_type = 'old'` },
  usage_stats: { service: 'telemetry', where: `ghost_id LIKE 'Old%'` },
  audit_log: { service: 'gatekeeper', where: `ghost_id LIKE 'Old%'` },
};

export async function oldRows(databases: Databases): Promise<Old> {
  const entries = Object.entries(OLD).map(async ([table, { service, where }]) => {
    const [row] = await databases[service]<{ sum: string }>(
      `SELECT count(*) || ':' || coalesce(bit_xor(hashtextextended(t::text, 0)), 0) AS sum FROM ${table} t WHERE ${where}`,
    );
    return [table, row!.sum] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** What was lost, doubled or changed: nothing, when the move was right. */
export async function judge(ledger: Ledger, databases: Databases): Promise<string[]> {
  return [
    ...(await exactly('measurement', ledger.measurements, () =>
      databases.telemetry(`SELECT metadata ->> 'name' AS id FROM system_telemetry WHERE event_type = 'ledger'`),
    )),
    ...(await exactly('call', ledger.calls, () =>
      databases.telemetry(`SELECT id::text FROM usage_stats WHERE ghost_id LIKE 'usage-%'`),
    )),
    ...(await exactly('badge', ledger.badges, () =>
      databases.guardian(`SELECT ghost_id || '/' || badge AS id FROM agent_badges WHERE ghost_id LIKE 'Ledger%'`),
    )),
    ...(await exactly('decision', ledger.decisions, () =>
      databases.gatekeeper(`SELECT id::text FROM audit_log WHERE id = ANY ($1::uuid[])`, [[...ledger.decisions]]),
    )),
    ...(await exactly('question', ledger.chats.keys(), () =>
      databases.lobby(`SELECT request_id AS id FROM history WHERE role = 'user' AND request_id LIKE 'chats-%'`),
    )),
    ...(await exactly('answer', new Set([...ledger.chats].map(([id, text]) => `${id} ${text}`)), () =>
      databases.lobby(
        `SELECT request_id || ' ' || content AS id FROM history WHERE role = 'assistant' AND request_id LIKE 'chats-%'`,
      ),
    )),
    ...(await exactly('routing decision', ledger.chats.keys(), () =>
      databases.router(`SELECT request_id AS id FROM routing_decisions WHERE request_id LIKE 'chats-%'`),
    )),
  ];
}

async function exactly(
  what: string,
  expected: Iterable<string>,
  read: () => Promise<{ id: string }[]>,
): Promise<string[]> {
  const counts = new Map<string, number>();
  for (const { id } of await read()) counts.set(id, (counts.get(id) ?? 0) + 1);
  const wrong: string[] = [];
  for (const id of expected) {
    const count = counts.get(id) ?? 0;
    if (count !== 1) wrong.push(`${what} ${id} is there ${count} times`);
    counts.delete(id);
  }
  for (const id of counts.keys()) wrong.push(`${what} ${id} was never acknowledged`);
  return wrong;
}
