import pg from 'pg';
import { type Bench, type BenchResult } from './harness/bench.js';
import { median } from './harness/statistics.js';
import { timed } from './harness/timed.js';
import { startGatekeeperDatabase, type GatekeeperDatabase } from './support/gatekeeper-database.js';
import { throughLogger } from './support/ingest.js';
import { insertByTypeOrm, insertRowByRow } from './support/insert-ways.js';
import { decisionEvents, decisionRecords } from './support/records.js';

const ROUNDS = 5;
/** The larger the indexes, the slower all ways: what is compared begins with an empty table and has as many rows. */
const ROWS = 100_000;
/** Single INSERTs do not take that many in a minute: fewer, and so with smaller indexes, which is to their advantage. */
const INSERT_ROWS = 5000;

/** Into the real trail, with its months, entities and indexes; the ways take turns, so that all of them meet the same machine. */
export const auditIngest: Bench = {
  name: 'audit-ingest',
  about: 'events a second into audit_log and event_entities: the logger, a server-side COPY, TypeORM, single INSERTs',
  async run(context): Promise<BenchResult[]> {
    const database = await startGatekeeperDatabase(context);
    const files = {
      audit_log: database.serverFile('events.copy'),
      event_entities: database.serverFile('entities.copy'),
    };
    const records = decisionRecords(ROWS);
    context.progress(`making files of ${ROWS} events`);
    await throughLogger(context, database, records);
    await writeFiles(database, files);
    const ways = {
      logger: () => throughLogger(context, database, records),
      server_copy: () => byServerCopy(database, files),
      typeorm_insert: () => insertByTypeOrm(database.urlOf('runtime'), decisionEvents(ROWS)),
      row_insert: () => insertRowByRow(database.urlOf('runtime'), decisionEvents(INSERT_ROWS)),
    };
    const rates = { logger: [], server_copy: [], typeorm_insert: [], row_insert: [] } as Record<
      keyof typeof ways,
      number[]
    >;
    for (let round = 1; round <= ROUNDS; round++) {
      for (const [way, run] of Object.entries(ways) as [keyof typeof ways, () => Promise<number>][]) {
        context.stop.throwIfAborted();
        await database.reset();
        const rate = await run();
        rates[way].push(rate);
        context.progress(`round ${round} of ${ROUNDS}: ${way} ${Math.round(rate)} rows/s`);
      }
    }
    await database.close();
    return figures(rates);
  },
};

function figures(rates: Record<'logger' | 'server_copy' | 'typeorm_insert' | 'row_insert', number[]>): BenchResult[] {
  const logger = median(rates.logger);
  const copy = median(rates.server_copy);
  const typeorm = median(rates.typeorm_insert);
  const row = median(rates.row_insert);
  return [
    { name: 'vs_server_copy', value: logger / copy, unit: 'x', goal: 0.7 },
    { name: 'vs_row_insert', value: logger / row, unit: 'x', goal: 20 },
    { name: 'vs_typeorm_insert', value: logger / typeorm, unit: 'x', goal: 4 },
    { name: 'rows_per_s', value: logger, unit: '1/s' },
    { name: 'rows_per_s.server_copy', value: copy, unit: '1/s' },
    { name: 'rows_per_s.typeorm_insert', value: typeorm, unit: '1/s' },
    { name: 'rows_per_s.row_insert', value: row, unit: '1/s' },
  ];
}

/** By table. */
type Files = Readonly<Record<'audit_log' | 'event_entities', string>>;

/** What is in the trail, as files that the server can read: the same rows for the comparison, in the same order. */
async function writeFiles({ admin }: GatekeeperDatabase, files: Files): Promise<void> {
  // Parallel workers would mix up the order, and with it how well the rows fit the indexes.
  await admin.query('SET max_parallel_workers_per_gather = 0');
  for (const [table, file] of Object.entries(files))
    await admin.query(`COPY (SELECT * FROM ${table}) TO ${pg.escapeLiteral(file)} (FORMAT binary)`);
}

/** PostgreSQL's own way: one session, and nothing to send. */
function byServerCopy({ admin }: GatekeeperDatabase, files: Files): Promise<number> {
  return timed(ROWS, async () => {
    for (const [table, file] of Object.entries(files))
      await admin.query(`COPY ${table} FROM ${pg.escapeLiteral(file)} (FORMAT binary)`);
  });
}
