import { Inject, Injectable } from '@nestjs/common';
import { type LogWitnesses } from '#contracts';
import { TrailReader } from '../audit/trail-reader.js';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { newestCosigned, readWitnesses } from './core/cosignature-table.js';

/** What the configured witnesses have said of one tenant's log. */
@Injectable()
export class WitnessReport {
  constructor(
    private readonly trail: TrailReader,
    @Inject(CONFIG) private readonly config: GatekeeperConfig,
  ) {}

  of(tenant: string): Promise<LogWitnesses> {
    return this.trail.within(tenant, async (query) => {
      const rows = new Map((await readWitnesses(query, tenant)).map((row) => [row.witness, row]));
      const witnesses = this.config.witnesses.list.map(({ key, name, url }) => {
        const row = rows.get(key);
        return {
          name,
          key,
          url,
          last_size: row?.size == null ? null : Number(row.size),
          last_at: row?.cosigned_at ?? null,
          problem: row?.problem ?? null,
        };
      });
      return { witnesses, checkpoint: await newestCosigned(query, tenant) };
    });
  }
}
