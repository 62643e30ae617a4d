import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Session, type SessionOutcome } from './session.entity.js';

export interface EndedSession {
  session_id: string;
  agent: string;
  outcome: SessionOutcome;
  duration_seconds: number;
}

export interface Unheard {
  session_id: string;
  agent: string;
  last_seen_at: Date;
}

@Injectable()
export class SessionsRepository {
  constructor(private readonly database: DataSource) {}

  find(sessionId: string): Promise<Session | null> {
    return this.database.getRepository(Session).findOneBy({ sessionId });
  }

  /** @returns false when there is a session with this id, active or not: of two that start it at once, one succeeds */
  async start(session: Pick<Session, 'sessionId' | 'agent' | 'startedBy' | 'metadata'>): Promise<boolean> {
    const rows = await this.database.query<unknown[]>(
      `INSERT INTO agent_sessions (session_id, agent, started_by, metadata) VALUES ($1, $2, $3, $4)
       ON CONFLICT (session_id) DO NOTHING RETURNING session_id`,
      [session.sessionId, session.agent, session.startedBy, session.metadata],
    );
    return rows.length === 1;
  }

  /** @param timeout seconds @returns when it is taken for abandoned unless it is heard of again; undefined when it has ended */
  async hear(sessionId: string, timeout: number): Promise<Date | undefined> {
    const [[heard]] = await this.database.query<[{ expires_at: Date }[], number]>(
      `UPDATE agent_sessions SET last_seen_at = clock_timestamp() WHERE session_id = $1 AND ended_at IS NULL
       RETURNING last_seen_at + $2 * interval '1 second' AS expires_at`,
      [sessionId, timeout],
    );
    return heard?.expires_at;
  }

  /** Ends it unless it has ended; the first end stays. @returns how it ended */
  async end(sessionId: string, outcome: SessionOutcome, outputFile: string | null): Promise<EndedSession> {
    await this.database.query(
      `UPDATE agent_sessions SET ended_at = clock_timestamp(), outcome = $2, output_file = $3
       WHERE session_id = $1 AND ended_at IS NULL`,
      [sessionId, outcome, outputFile],
    );
    const [ended] = await this.database.query<[EndedSession]>(
      `SELECT session_id, agent, outcome, extract(epoch FROM ended_at - started_at)::float8 AS duration_seconds
       FROM agent_sessions WHERE session_id = $1`,
      [sessionId],
    );
    return ended;
  }

  /**
   * Active sessions that were not heard of for so long, those first that were not for longest. They are locked until the transaction
   * ends; what somebody else has locked (another reaper, an end, a heartbeat) is left out.
   *
   * @param timeout seconds
   */
  lockUnheard(manager: EntityManager, timeout: number, limit: number): Promise<Unheard[]> {
    return manager.query<Unheard[]>(
      `SELECT session_id, agent, last_seen_at FROM agent_sessions
       WHERE ended_at IS NULL AND last_seen_at <= now() - $1 * interval '1 second'
       ORDER BY last_seen_at LIMIT $2 FOR UPDATE SKIP LOCKED`,
      [timeout, limit],
    );
  }

  /** Of sessions that this transaction has locked. */
  async abandon(manager: EntityManager, sessionIds: readonly string[]): Promise<void> {
    await manager.query(
      `UPDATE agent_sessions SET ended_at = clock_timestamp(), outcome = 'abandoned' WHERE session_id = ANY($1)`,
      [sessionIds],
    );
  }
}
