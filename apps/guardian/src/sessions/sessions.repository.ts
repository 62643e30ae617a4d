import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type SessionEndResponse } from '#contracts';
import { Session, type SessionOutcome } from './session.entity.js';

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

  /** Ends it unless it has ended; the first end stays. @returns how it ended */
  async end(sessionId: string, outcome: SessionOutcome, outputFile: string | null): Promise<SessionEndResponse> {
    await this.database.query(
      `UPDATE agent_sessions SET ended_at = clock_timestamp(), outcome = $2, output_file = $3
       WHERE session_id = $1 AND ended_at IS NULL`,
      [sessionId, outcome, outputFile],
    );
    const [ended] = await this.database.query<[SessionEndResponse]>(
      `SELECT session_id, agent, outcome, extract(epoch FROM ended_at - started_at)::float8 AS duration_seconds
       FROM agent_sessions WHERE session_id = $1`,
      [sessionId],
    );
    return ended;
  }
}
