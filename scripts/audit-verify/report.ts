import { toBase64, type Difference } from '#tlog';
import { type TenantVerdict, type TrailVerdict } from '../../apps/gatekeeper/src/notary/core/index.js';

export const INTACT = 0;
export const TAMPERED = 1;
export const CANNOT_TELL = 2;

/** A difference that was found is one, whatever else could not be looked at. */
export function exitCodeOf(verdict: TrailVerdict): number {
  if (verdict.differences.length > 0) return TAMPERED;
  return verdict.problems.length > 0 || leavesIn(verdict) === 0 ? CANNOT_TELL : INTACT;
}

export function leavesIn({ tenants }: TrailVerdict): number {
  return tenants.reduce((sum, { verdict }) => sum + (verdict?.intact ? verdict.size : 0), 0);
}

export function reportLines(verdict: TrailVerdict): string[] {
  const { tenants, differences, problems, seals } = verdict;
  const lines = [
    ...tenants.flatMap(intactLine),
    ...(seals > 0 ? [`${counted(seals, 'sealed month')}, signed by the log`] : []),
    ...differences.map(differenceLine),
    ...problems.map(({ tenant, problem }) => `cannot tell: tenant ${tenant}: ${problem}`),
  ];
  const code = exitCodeOf(verdict);
  if (code === TAMPERED) lines.push('TAMPERED: the trail is not the one that the log was made of.');
  else if (code === INTACT) lines.push('Intact.');
  else if (problems.length === 0) lines.push('cannot tell: there is no log here, or nothing in it yet.');
  return lines;
}

function intactLine({ tenant, verdict, pending, late }: TenantVerdict): string[] {
  if (!verdict?.intact) return [];
  const { size, sealed, checkpoints, tiles, root } = verdict;
  const gone = sealed > 0 ? ` (${sealed} of them dropped under a seal)` : '';
  return [
    `tenant ${tenant}: ${counted(size, 'event')}${gone}, ${counted(tiles, 'tile')}, ${counted(checkpoints, 'checkpoint')}; root ${toBase64(root)}`,
    ...(pending && pending.events > 0
      ? [
          `tenant ${tenant}: ${counted(pending.events, 'event')} since ${pending.oldest} not in the log yet; of those nothing is proved`,
        ]
      : []),
    ...(late > 0
      ? [
          `tenant ${tenant}: ${counted(late, 'event')} of sealed months came after the seal; run npm run audit:seal for the month again before retention drops it`,
        ]
      : []),
  ];
}

function differenceLine({ tenant, kind, index, after, detail }: Difference): string {
  const since = after === undefined ? '' : `, and everything agreed up to ${after}`;
  return `tampered: tenant ${tenant}, index ${index}: ${kind}: ${detail}${since}`;
}

export function reportJson(verdict: TrailVerdict, further: Record<string, unknown>): string {
  const code = exitCodeOf(verdict);
  const tenants = verdict.tenants.map(({ tenant, verdict: own, problem, pending, late }) => ({
    tenant,
    late,
    ...(own?.intact && {
      size: own.size,
      root: toBase64(own.root),
      sealed: own.sealed,
      checkpoints: own.checkpoints,
      tiles: own.tiles,
    }),
    ...(own?.intact === false && { difference: own.difference }),
    ...(problem !== undefined && { problem }),
    ...(pending && { pending }),
  }));
  const { differences, seals } = verdict;
  const intact = code === INTACT ? true : code === TAMPERED ? false : null;
  return JSON.stringify({ intact, ...further, seals, tenants, differences }, undefined, 2);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
