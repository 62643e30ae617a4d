import { Check, Column, Entity, PrimaryColumn } from 'typeorm';
import { type Tier } from '#contracts';
import { type ProviderName } from '../providers/provider-names.js';

/** A model that may answer. Costs in US dollars per 1000 tokens. */
@Entity('shells')
@Check('shells_tier_check', `tier IN ('L1', 'L2', 'L3')`)
@Check('shells_context_window_check', 'context_window > 0')
@Check('shells_cost_check', 'cost_per_1k_input >= 0 AND cost_per_1k_output >= 0')
export class Shell {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'shells_pkey' })
  name: string;

  /** Its place in the file: the order in which shells are tried. */
  @Column({ type: 'integer' })
  position: number;

  @Column({ type: 'text' })
  tier: Tier;

  @Column({ type: 'text' })
  provider: ProviderName;

  /** The provider's own name of it. */
  @Column({ name: 'provider_model', type: 'text' })
  providerModel: string;

  @Column({ name: 'context_window', type: 'integer' })
  contextWindow: number;

  @Column({ name: 'cost_per_1k_input', type: 'double precision' })
  costPer1kInput: number;

  @Column({ name: 'cost_per_1k_output', type: 'double precision' })
  costPer1kOutput: number;

  @Column({ type: 'jsonb' })
  capabilities: string[];

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt: Date;

  /** When it left the file; null while it is in force. */
  @Column({ name: 'retired_at', type: 'timestamptz', nullable: true })
  retiredAt: Date | null;
}
