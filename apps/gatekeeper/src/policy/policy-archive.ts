import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type Policy } from './core/index.js';

/** Keeps every policy that was ever in force, by version, so that what was decided under it can be decided again. */
@Injectable()
export class PolicyArchive {
  constructor(private readonly database: DataSource) {}

  /** A version that is there already stays as it is, with who brought it first. */
  async keep({ version, canonical, rules }: Policy, source: string, loadedBy: string | null): Promise<void> {
    // A large policy need not travel again at each start.
    const there = await this.database.query<unknown[]>('SELECT FROM access_policies WHERE version = $1', [version]);
    if (there.length > 0) return;
    await this.database.query(
      `INSERT INTO access_policies (version, canonical, rules, source, loaded_by) VALUES ($1, $2::jsonb, $3, $4, $5)
       ON CONFLICT (version) DO NOTHING`,
      [version, canonical, rules.length, source, loadedBy],
    );
  }
}
