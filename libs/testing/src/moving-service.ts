import pg from 'pg';
import { type ServiceName } from '#contracts';
import { migrateAtBoot } from '#database';
import { BEAT_SCHEMA, fence, MoveStore, parseTableName, participantGrants, TARGET_SCHEMA } from '#decomposition';
import { type ServiceDefinition } from '#service';
import { StandInTool } from './stand-in-tool.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

export interface MovingServiceOptions {
  name: ServiceName;
  definition: Pick<ServiceDefinition<never>, 'entities' | 'migrations'>;
  tables: readonly string[];
  /** Further to the migrations, before the target is fenced. */
  prepare?: (target: TestDatabase) => Promise<unknown>;
}

/** A service's database, and a second one that it is to move to, as `create` leaves it. */
export class MovingService {
  private constructor(
    readonly source: TestDatabase,
    readonly target: TestDatabase,
    readonly state: MoveStore,
    readonly tool: StandInTool,
    /** What the service needs beside the source, to take part. */
    readonly environment: Readonly<Record<string, string>>,
    private readonly pools: readonly pg.Pool[],
  ) {}

  static async make({ name, definition, tables, prepare }: MovingServiceOptions): Promise<MovingService> {
    const [source, target] = [await createTestDatabase(name), await createTestDatabase(name)];
    const { entities, migrations } = definition;
    for (const { ownerUrl: url, name: runtimeRole } of [source, target])
      await migrateAtBoot({ service: name, url, runtimeRole, entities, migrations });
    await prepare?.(target);
    const databases = { source: poolOf(source), target: poolOf(target) };
    await databases.source.query(BEAT_SCHEMA);
    const grants = [target.runtimeUrl, target.readerUrl, target.notaryUrl].filter((url) => url !== undefined);
    await databases.target.query(
      TARGET_SCHEMA + BEAT_SCHEMA + grants.map((url) => participantGrants(new URL(url).username)).join(''),
    );
    await databases.target.query("INSERT INTO decomposition.moves (service, strategy) VALUES ($1, 'replication')", [
      name,
    ]);
    const moved = await Promise.all(tables.map((table) => describe(databases.source, table)));
    await fence(databases.target, moved, { reason: 'the move has not switched yet' });
    const state = new MoveStore(databases.target, name);
    const tool = new StandInTool({ databases, state, tables: moved });
    return new MovingService(source, target, state, tool, settings(name, target), Object.values(databases));
  }

  /** To be called when what runs on it was closed, which may already have dropped the source. */
  async drop(): Promise<void> {
    for (const pool of this.pools) await pool.end();
    await this.source.drop();
    await this.target.drop();
  }
}

/** A database that is dropped ends its connections. */
function poolOf({ superuserUrl }: TestDatabase): pg.Pool {
  return new pg.Pool({ connectionString: superuserUrl, max: 2 }).on('error', () => undefined);
}

async function describe(pool: pg.Pool, table: string): Promise<{ schema: string; name: string; partitioned: boolean }> {
  const { rows } = await pool.query<{ kind: string }>('SELECT relkind AS kind FROM pg_class WHERE oid = $1::regclass', [
    table,
  ]);
  return { ...parseTableName(table), partitioned: rows[0]!.kind === 'p' };
}

function settings(name: ServiceName, target: TestDatabase): Record<string, string> {
  const prefix = name.toUpperCase();
  return {
    [`${prefix}_SPLIT_DATABASE_URL`]: target.runtimeUrl,
    [`${prefix}_SPLIT_MIGRATION_URL`]: target.ownerUrl,
    ...(target.readerUrl && { [`${prefix}_SPLIT_READER_URL`]: target.readerUrl }),
    ...(target.notaryUrl && { [`${prefix}_SPLIT_NOTARY_URL`]: target.notaryUrl }),
  };
}
