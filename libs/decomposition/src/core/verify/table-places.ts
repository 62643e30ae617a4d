import type pg from 'pg';
import { ownerOf } from '../catalogue/foreign-keys.js';
import { administratorPool, type Move } from '../move.js';
import { type Side } from '../side.js';
import { leaderOf } from '../state/move-state.js';
import { readMove } from '../state/move-store.js';

const NO_SUCH_DATABASE = '3D000';

/** Where each table is authoritative now: with its service once that has switched, in the source until then. */
export class TablePlaces {
  private readonly opened = new Map<string, Promise<pg.Pool | undefined>>();

  constructor(
    private readonly move: Move,
    private readonly leader: Side,
  ) {}

  /** @param table full name */
  async of(table: string): Promise<pg.Pool> {
    const { plan, service, databases } = this.move;
    const owner = ownerOf(plan, table);
    if (owner === service.name) return databases[this.leader];
    if (owner === undefined) return databases.source;
    const known = this.opened.get(owner) ?? this.open(owner);
    this.opened.set(owner, known);
    return (await known) ?? databases.source;
  }

  async close(): Promise<void> {
    for (const opening of await Promise.allSettled(this.opened.values()))
      if (opening.status === 'fulfilled') await opening.value?.end();
  }

  /** @returns undefined when the service has not switched */
  private async open(owner: string): Promise<pg.Pool | undefined> {
    const { target } = this.move.plan.services.find(({ name }) => name === owner)!;
    const pool = administratorPool(target, 2);
    try {
      const state = await readMove(pool, owner);
      if (state && leaderOf(state) === 'target') return pool;
    } catch (error) {
      if ((error as { code?: string }).code !== NO_SUCH_DATABASE) {
        await pool.end();
        throw error;
      }
    }
    await pool.end();
    return undefined;
  }
}
