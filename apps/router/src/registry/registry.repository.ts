import { Injectable } from '@nestjs/common';
import { DataSource, IsNull, type EntityManager } from 'typeorm';
import { type RegistryReloadResponse } from '#contracts';
import { type GhostDefinitions, type ModelDefinitions } from './registry-files.js';
import { Ghost } from './ghost.entity.js';
import { Registry } from './registry.js';
import { Shell } from './shell.entity.js';

export type RegistryChanges = RegistryReloadResponse['changes'];
type Changes = RegistryChanges['models'];

const SHELL_COLUMNS = {
  position: 'integer',
  tier: 'text',
  provider: 'text',
  provider_model: 'text',
  context_window: 'integer',
  cost_per_1k_input: 'double precision',
  cost_per_1k_output: 'double precision',
  capabilities: 'jsonb',
};
const GHOST_COLUMNS = { position: 'integer', preferred_shell: 'text', fallbacks: 'jsonb' };

/** The registry's tables. */
@Injectable()
export class RegistryRepository {
  constructor(private readonly database: DataSource) {}

  /** Makes the tables say what the files say, in one transaction; instances that do so at once take turns. */
  sync(models: ModelDefinitions, ghosts: GhostDefinitions): Promise<RegistryChanges> {
    return this.database.transaction(async (transaction) => {
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtext('gravitas router registry'))`);
      const shellRows = Object.entries(models).map(([name, definition], position) => ({
        name,
        position,
        ...definition,
        provider_model: definition.provider_model ?? name,
      }));
      const ghostRows = Object.entries(ghosts).map(([name, { preferred, fallbacks }], position) => ({
        name,
        position,
        preferred_shell: preferred,
        fallbacks,
      }));
      return {
        models: await syncTable(transaction, 'shells', SHELL_COLUMNS, shellRows),
        ghosts: await syncTable(transaction, 'ghosts', GHOST_COLUMNS, ghostRows),
      };
    });
  }

  /** What is in force, in the order of the files, as one snapshot. */
  read(): Promise<Registry> {
    return this.database.transaction('REPEATABLE READ', async (transaction) => {
      const inForce = { where: { retiredAt: IsNull() }, order: { position: 'ASC' as const } };
      return new Registry(await transaction.find(Shell, inForce), await transaction.find(Ghost, inForce));
    });
  }
}

/** Upserts what differs, retires what is not named any more, and says what it did. */
async function syncTable(
  transaction: EntityManager,
  table: 'shells' | 'ghosts',
  columnTypes: Record<string, string>,
  rows: readonly { name: string }[],
): Promise<Changes> {
  const columns = Object.keys(columnTypes);
  const record = Object.entries(columnTypes).map(([column, type]) => `${column} ${type}`);
  const tuple = (prefix: string) => `(${columns.map((column) => `${prefix}.${column}`).join(', ')})`;
  // xmax is 0 in a row that was inserted, and the updating transaction's id in one that was there before.
  const written = await transaction.query<{ name: string; added: boolean }[]>(
    `INSERT INTO ${table} (name, ${columns.join(', ')})
     SELECT name, ${columns.join(', ')} FROM jsonb_to_recordset($1::jsonb) AS given(name text, ${record.join(', ')})
     ON CONFLICT (name) DO UPDATE
       SET ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}, retired_at = NULL, updated_at = now()
       WHERE ${table}.retired_at IS NOT NULL OR ${tuple(table)} IS DISTINCT FROM ${tuple('excluded')}
     RETURNING name, xmax = 0 AS added`,
    [JSON.stringify(rows)],
  );
  const retired = await transaction.query<{ name: string }[]>(
    `WITH retired AS (
       UPDATE ${table} SET retired_at = now(), updated_at = now()
       WHERE retired_at IS NULL AND name <> ALL ($1::text[]) RETURNING name)
     SELECT name FROM retired ORDER BY name`,
    [rows.map((row) => row.name)],
  );
  return {
    added: written.filter((row) => row.added).map((row) => row.name),
    updated: written.filter((row) => !row.added).map((row) => row.name),
    retired: retired.map((row) => row.name),
  };
}
