import { createHash } from 'node:crypto';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { fullName, quoted, type Table } from '../../catalogue/table.js';
import { type Side } from '../../side.js';
import { DUAL_SETTING, HALF_OF_SETTING } from './log-schema.js';

/** Which log a trigger writes. */
export interface LogOf {
  service: string;
  /** The side that the stream follows. */
  from: Side;
  /** For the other side: only halves of dual writes are logged. */
  halves: boolean;
}

/** Types whose text is the same in whatever session. */
const PLAIN = /^(uuid|text|smallint|integer|bigint|boolean|character varying(\(\d+\))?|character\(\d+\))$/;
/** As `administratorPool` has them. */
const FORMATS = `SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'`;

export const triggerNames = (from: Side): { rows: string; truncate: string } => ({
  rows: `decomposition_log_${from}`,
  truncate: `decomposition_log_${from}_truncate`,
});

/** What the names of all functions of a stream begin with. */
export function functionPrefix({ service, from }: Pick<LogOf, 'service' | 'from'>): string {
  return `log_${from}_${digest(service)}_`;
}

/**
 * The function that logs one table's changed keys. It is the administrator's (SECURITY DEFINER): whoever writes the table needs no right
 * on the log, nor on its schema, and cannot lead it elsewhere by a search path.
 */
export function logFunction(table: Table, log: LogOf): string {
  const key = (row: string): string =>
    `ARRAY[${table.key.map(({ name }) => `${row}.${escapeIdentifier(name)}::text`).join(', ')}]::text[]`;
  const halfOf = log.halves ? `nullif(current_setting('${HALF_OF_SETTING}', true), '')::xid8` : 'NULL';
  const insert = (...keys: string[]): string =>
    `INSERT INTO decomposition.changes (service, from_side, table_name, half_of, key) VALUES ${keys
      .map((one) =>
        [`(${escapeLiteral(log.service)}`, `'${log.from}'`, escapeLiteral(fullName(table)), halfOf, `${one})`].join(
          ', ',
        ),
      )
      .join(', ')};`;
  const formats = table.key.every(({ type }) => PLAIN.test(type)) ? '' : FORMATS;
  return `CREATE OR REPLACE FUNCTION ${functionName(table, log)}() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ${formats} AS $log$
    BEGIN
      IF TG_OP = 'TRUNCATE' THEN ${insert(`'{}'`)}
      ELSIF TG_OP = 'INSERT' THEN ${insert(key('NEW'))}
      ELSIF TG_OP = 'DELETE' THEN ${insert(key('OLD'))}
      ELSIF ${key('OLD')} = ${key('NEW')} THEN ${insert(key('NEW'))}
      ELSE ${insert(key('OLD'), key('NEW'))}
      END IF;
      RETURN NULL;
    END $log$`;
}

/**
 * The trigger for rows; it also reaches partitions, and those made later. It fires for ordinary sessions only (ENABLE ORIGIN, which is
 * the default): what a reconciler writes, as `replica`, is no change that would have to go back.
 */
export function rowTrigger(table: Table, log: LogOf): string {
  return trigger(triggerNames(log.from).rows, 'INSERT OR UPDATE OR DELETE', 'ROW', quoted(table), table, log);
}

/** The trigger for TRUNCATE, on the table or one of its partitions. The fence lets no half of a dual write truncate. */
export function truncateTrigger(relation: string, table: Table, log: LogOf): string {
  return trigger(triggerNames(log.from).truncate, 'TRUNCATE', 'STATEMENT', relation, table, log);
}

function trigger(name: string, events: string, level: string, on: string, table: Table, log: LogOf): string {
  const when = log.halves ? `WHEN (current_setting('${DUAL_SETTING}', true) = 'on')` : '';
  return `CREATE OR REPLACE TRIGGER ${name} AFTER ${events} ON ${on} FOR EACH ${level} ${when} EXECUTE FUNCTION ${functionName(table, log)}()`;
}

function functionName(table: Table, log: LogOf): string {
  return `decomposition.${functionPrefix(log)}${digest(fullName(table))}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
