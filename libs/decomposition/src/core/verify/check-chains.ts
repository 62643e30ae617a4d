import { setTimeout as sleep } from 'node:timers/promises';
import { fullName, parseTableName } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { type CatchUps } from './catch-ups.js';
import { ChainWalk } from './chain-walk.js';
import { type Findings } from './findings.js';

const ROUNDS = 4;
const ROUND_MS = 200;

export interface ChainCheck {
  table: string;
  /** Looked at in this run. */
  rows: number;
  broken: boolean;
}

/**
 * Follows the chains of the plan where the rows have been brought to, in order, from where the last run came to, unless something has
 * written behind that. The first row of a chain may name anything: what was before it may have been put away. A break is looked at again once the stream has caught up: rows may
 * come to be seen out of order.
 */
export async function checkChains(
  move: Move,
  leader: Side,
  catchUps: CatchUps,
  findings: Findings,
  full: boolean,
): Promise<ChainCheck[]> {
  const pool = move.databases[otherSide(leader)];
  const tables = await move.tables(otherSide(leader));
  const results: ChainCheck[] = [];
  // What the other side wrote before this began counts.
  if (move.service.chains.length > 0) await catchUps.wait();
  for (const chain of move.service.chains) {
    const name = fullName(parseTableName(chain.table));
    const table = tables.find((one) => fullName(one) === name);
    if (!table) {
      await findings.add([
        { table: name, key: null, kind: 'chain', detail: `The chain is in ${name}, which the service does not have.` },
      ]);
      continue;
    }
    const walk = new ChainWalk(move, pool, table, chain);
    if (full) await walk.forget();
    let found = await walk.next();
    for (let round = 1; found.broken && round < ROUNDS; round++) {
      await sleep(ROUND_MS, undefined, { signal: move.signal });
      await catchUps.wait();
      found = await walk.next();
    }
    const { broken, rows } = found;
    results.push({ table: name, rows, broken: broken !== undefined });
    if (broken)
      await findings.add([
        { table: name, key: broken.key, kind: 'chain', detail: walk.sentence(broken), columns: [walk.names] },
      ]);
    else await walk.remember();
  }
  return results;
}
