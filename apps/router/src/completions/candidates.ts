import { TIERS, type ChatRequest, type Tier } from '#contracts';
import { ServiceError } from '#errors';
import { BUILTIN } from '../providers/provider-names.js';
import { AUTO } from '../registry/registry-files.js';
import { type Registry } from '../registry/registry.js';
import { type Shell } from '../registry/shell.entity.js';

/** Above this complexity only frontier models are asked. */
const FRONTIER_ABOVE = 8;

export interface Candidates {
  /** In the order in which they are tried. */
  shells: readonly Shell[];
  /** Whether another may answer in place of one that cannot. */
  open: boolean;
}

type Asked = Pick<ChatRequest, 'model' | 'complexity' | 'force_tier'>;

/**
 * Which shells may answer. A shell's name means that shell; a ghost's name its preferred shell, then its fallbacks; `auto` leaves
 * the choice to complexity. `force_tier` wins over all of it: what is not of that tier gives way to the tier's own shells.
 *
 * @throws ServiceError not_found (`model_not_found`) when `model` names nothing; invalid when a forced tier is empty
 */
export function candidatesFor(registry: Registry, asked: Asked): Candidates {
  const named = namedBy(registry, asked.model);
  const inTier = (shell: Shell): boolean => asked.force_tier === undefined || shell.tier === asked.force_tier;
  const fitting = named?.shells.filter(inTier) ?? [];
  if (named && fitting.length > 0) return { shells: fitting, open: named.open };
  const tiers = asked.force_tier ? [asked.force_tier] : tiersFor(asked.complexity);
  const shells = inOrder(registry, tiers);
  if (shells.length > 0) return { shells, open: true };
  throw new ServiceError('invalid', 'tier_empty', `No model of tier ${tiers.join(' or ')} is registered`, {
    extensions: { param: 'force_tier' },
  });
}

/** @returns undefined for `auto` */
function namedBy(registry: Registry, model: string): Candidates | undefined {
  if (model === AUTO) return undefined;
  const shell = registry.shell(model);
  if (shell) return { shells: [shell], open: false };
  const ghost = registry.ghost(model);
  if (!ghost)
    throw new ServiceError('not_found', 'model_not_found', `The model '${model}' does not exist`, {
      extensions: { param: 'model' },
    });
  const names = [...new Set([ghost.preferredShell, ...ghost.fallbacks])];
  return { shells: names.flatMap((name) => registry.shell(name) ?? []), open: true };
}

function tiersFor(complexity: number): readonly Tier[] {
  return complexity > FRONTIER_ABOVE ? ['L3'] : TIERS.filter((tier) => tier !== 'L3');
}

/** Tier by tier in the registry's order; the built-in model, which only repeats what it is told, last of all. */
function inOrder({ shells }: Registry, tiers: readonly Tier[]): Shell[] {
  const ordered = tiers.flatMap((tier) => shells.filter((shell) => shell.tier === tier));
  const builtin = (shell: Shell): boolean => shell.provider === BUILTIN;
  return [...ordered.filter((shell) => !builtin(shell)), ...ordered.filter(builtin)];
}
