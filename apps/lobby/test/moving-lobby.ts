import pg from 'pg';
import { migrateAtBoot } from '#database';
import { BEAT_SCHEMA, fence, MoveStore, participantGrants, TARGET_SCHEMA } from '#decomposition';
import { createTestDatabase, StandInTool, type TestDatabase } from '#testing';
import { migrations } from '../migrations/index.js';
import { entities } from '../src/entities.js';
import { Harness } from './harness.js';

const TABLES = [{ schema: 'public', name: 'history', partitioned: false }];

/** The lobby, and a second database that it is to move to, as `create` leaves it. */
export class MovingLobby {
  private constructor(
    readonly source: TestDatabase,
    readonly target: TestDatabase,
    readonly state: MoveStore,
    readonly tool: StandInTool,
    private readonly pools: readonly pg.Pool[],
  ) {}

  static async make(): Promise<MovingLobby> {
    const [source, target] = [await createTestDatabase('lobby'), await createTestDatabase('lobby')];
    for (const { ownerUrl, name } of [source, target])
      await migrateAtBoot({ service: 'lobby', url: ownerUrl, runtimeRole: name, entities, migrations });
    // A database that is dropped ends its connections.
    const pool = ({ superuserUrl }: TestDatabase) =>
      new pg.Pool({ connectionString: superuserUrl, max: 2 }).on('error', () => undefined);
    const databases = { source: pool(source), target: pool(target) };
    await databases.source.query(BEAT_SCHEMA);
    await databases.target.query(TARGET_SCHEMA + BEAT_SCHEMA + participantGrants(target.name));
    await databases.target.query("INSERT INTO decomposition.moves (service, strategy) VALUES ('lobby', 'replication')");
    await fence(databases.target, TABLES, { reason: 'the move has not switched yet' });
    const state = new MoveStore(databases.target, 'lobby');
    const tool = new StandInTool({ databases, state, tables: TABLES });
    return new MovingLobby(source, target, state, tool, Object.values(databases));
  }

  start(environment: Record<string, string> = {}): Promise<Harness> {
    return Harness.start({ LOBBY_SPLIT_DATABASE_URL: this.target.runtimeUrl, ...environment }, this.source);
  }

  /** What users said, as one side has it. */
  async said(side: 'source' | 'target'): Promise<string[]> {
    const rows = await this[side].query<{ content: string }>("SELECT content FROM history WHERE role = 'user'");
    return rows.map(({ content }) => content).sort();
  }

  /** After whatever runs on it was closed, which drops the source. */
  async drop(): Promise<void> {
    for (const pool of this.pools) await pool.end();
    await this.source.drop();
    await this.target.drop();
  }
}
