import { setTimeout as sleep } from 'node:timers/promises';
import { keyOf, returning } from './judge.js';
import { Ledger, type Returned } from './ledger.js';
import { hashOf, SCRIPTS, type Part, type World } from './scripts.js';
import { RoutedWriter, type Query, type Writer } from './writer.js';

/** One that works on a service's tables, a transaction at a time. */
interface Scribe {
  service: string;
  writer: Writer;
  part: Part;
  /** How many groups of rows it has added. */
  added: number;
  /** Keys of rows that it changes now and then. */
  kept: string[];
  /** Groups that it will take away again: the tag, and whatever belongs to it. */
  passing: { tag: string; rows: [table: string, key: string][] }[];
  /** Rows that nobody changes: read now and then. */
  still: Returned[];
}

const PER_SCRIBE = 6;

/** Writers, and readers, on the tables of all services at a steady pace; each knows what it wrote. */
export class AcgsLoad {
  readonly ledger = new Ledger();
  private readonly world: World = { users: [], sessions: [], auditLogs: [], policies: [], seatless: [] };
  private readonly scribes: Scribe[] = [];
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  /** @param restMs between two transactions of one writer */
  constructor(
    private readonly source: Query,
    private readonly restMs: number,
  ) {}

  /** Finds what is there: the end of the trail, rows to refer to, rows to change. */
  async prepare(): Promise<void> {
    const ids = async (table: string): Promise<string[]> => {
      const { rows } = await this.source(`SELECT id::text AS id FROM ${table} ORDER BY id DESC LIMIT 4`);
      return rows.map(({ id }) => id as string);
    };
    this.world.users.push(...(await ids('users')));
    this.world.sessions.push(...(await ids('sessions')));
    this.world.auditLogs.push(...(await ids('audit_logs')));
    this.world.policies.push(...(await ids('policies')));
  }

  /** @param trail it is the one who writes the trail */
  async add(name: string, service: string, writer: Writer, trail = false): Promise<void> {
    const { table } = SCRIPTS[service]!.change;
    const taken = 2 * PER_SCRIBE * this.scribes.filter((one) => one.service === service).length;
    const { rows } = await this.source(
      `SELECT ${keyOf(table)} AS key, t::text AS row FROM ${table} t ORDER BY 1 LIMIT ${2 * PER_SCRIBE} OFFSET ${taken}`,
    );
    const adopted = (rows as Returned[]).slice(0, PER_SCRIBE);
    for (const row of adopted) this.ledger.note(table, row);
    const part: Part = { name, world: this.world };
    if (trail) {
      const { rows: last } = await this.source('SELECT hash FROM audit_logs ORDER BY id DESC LIMIT 1');
      part.head = (last[0]! as { hash: string }).hash;
    }
    const still = (rows as Returned[]).slice(PER_SCRIBE);
    const kept = adopted.map(({ key }) => key);
    this.scribes.push({ service, writer, part, added: 0, kept, passing: [], still });
  }

  /** One after the other, those of one `name`; those of different names side by side. */
  start(): void {
    const byName = Map.groupBy(this.scribes, ({ part }) => part.name);
    this.running = Promise.all([...byName.values()].map((scribes) => this.run(scribes)));
  }

  /** What is under way is waited for. Twice is the same as once. */
  async stop(): Promise<Ledger> {
    this.stopping.abort();
    await this.running;
    return this.ledger;
  }

  async close(): Promise<void> {
    await this.stop();
    await Promise.all(this.scribes.map(({ writer }) => writer.close()));
  }

  private async run(scribes: readonly Scribe[]): Promise<void> {
    for (let turn = 0; !this.stopping.signal.aborted; turn++) {
      const scribe = scribes[turn % scribes.length]!;
      const round = Math.floor(turn / scribes.length);
      try {
        await this.act(scribe, round);
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        this.ledger.failures.push(`${scribe.part.name}, ${scribe.service}, round ${round}: ${code} ${message}`);
      }
      const rest = this.restMs * (0.5 + Math.random());
      await sleep(rest, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async act(scribe: Scribe, round: number): Promise<void> {
    if (round % 4 === 2) await this.change(scribe, round);
    else if (round % 4 === 3 && scribe.passing.length > 0) await this.remove(scribe);
    else await this.extend(scribe);
    if (scribe.writer instanceof RoutedWriter) await this.look(scribe, scribe.writer, round);
  }

  private async extend(scribe: Scribe): Promise<void> {
    const { service, writer, part, added } = scribe;
    const script = SCRIPTS[service]!;
    const tag = `${part.name}-${added}`;
    const rows = await writer.transact(async (query) => {
      const put: [string, Returned][] = [];
      await script.add(
        async (table, sql, values) => {
          const { rows: made } = await query(`${sql} ${returning(table)}`, values);
          put.push([table, made[0]!]);
          return (made[0]! as Returned).key;
        },
        tag,
        part,
      );
      return put;
    });
    scribe.added++;
    for (const [table, row] of rows) this.ledger.note(table, row);
    this.ledger.writes++;
    if (part.head !== undefined) part.head = hashOf(tag);
    if (added % 3 === 1 && script.remove.length > 0)
      scribe.passing.push({ tag, rows: rows.map(([table, { key }]) => [table, key]) });
    else this.publish(scribe, rows);
  }

  private publish(scribe: Scribe, rows: readonly [string, Returned][]): void {
    const lists: Record<string, string[][]> = {
      users: [this.world.users, this.world.seatless],
      sessions: [this.world.sessions],
      audit_logs: [this.world.auditLogs],
      policies: [this.world.policies],
    };
    for (const [table, { key }] of rows) {
      for (const list of lists[table] ?? []) list.push(key);
      if (table === SCRIPTS[scribe.service]!.change.table) scribe.kept.push(key);
    }
  }

  private async change({ service, writer, kept }: Scribe, round: number): Promise<void> {
    const { table, set } = SCRIPTS[service]!.change;
    const key = kept[Math.floor(Math.random() * kept.length)]!;
    const sql = `UPDATE ${table} AS t SET ${set} WHERE ${keyOf(table)} = $2 ${returning(table)}`;
    const { rows } = await writer.transact((query) => query(sql, [`changed in round ${round}`, key]));
    if (rows.length !== 1) throw new Error(`${table} ${key} is there ${rows.length} times`);
    this.ledger.note(table, rows[0]!);
    this.ledger.writes++;
  }

  private async remove({ service, writer, passing }: Scribe): Promise<void> {
    const { tag, rows } = passing.shift()!;
    await writer.transact(async (query) => {
      for (const sql of SCRIPTS[service]!.remove) await query(sql, [tag]);
    });
    for (const [table, key] of rows) this.ledger.gone(table, key);
    this.ledger.writes++;
  }

  /** Whichever side it comes from, what nobody changes looks the same. */
  private async look({ service, still }: Scribe, writer: RoutedWriter, round: number): Promise<void> {
    const { table } = SCRIPTS[service]!.change;
    const { key, row } = still[round % still.length]!;
    const { rows } = await writer.read(`SELECT t::text AS row FROM ${table} t WHERE ${keyOf(table)} = $1`, [key], key);
    this.ledger.reads++;
    if ((rows[0] as { row: string } | undefined)?.row !== row)
      throw new Error(`${table} ${key} reads ${JSON.stringify(rows)}`);
  }
}
