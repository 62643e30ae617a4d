import { errorMessage } from '#errors';
import {
  openCheckpoint,
  tenantOrigin,
  TlogError,
  verifyLog,
  type Difference,
  type LogSource,
  type LogVerdict,
  type NoteVerifier,
} from '#tlog';
import { openMonth, type SealStatement } from './month-seal.js';
import { MonthTally, type MonthLeaves } from './month-tally.js';
import { type Pending, type TenantLog, type Trail } from './trail.js';

export interface VerifyTrailOptions {
  /** The log's key, or its keys one after the other, by the name that all tenants' origins begin with. */
  log: readonly NoteVerifier[];
  /** Those only; all that there is anything of without. */
  tenants?: readonly string[] | undefined;
  /** Checkpoints that were saved earlier, by tenant. What is missing by now is missed. */
  saved?: ReadonlyMap<string, readonly string[]>;
  onProgress?: (progress: Progress) => void;
  /** A month to be sealed: what each tenant has of it comes with its verdict. */
  month?: string;
}

export interface Progress {
  tenant: string;
  leaves: number;
  size: number;
}

export type Intact = Extract<LogVerdict, { intact: true }>;

export interface TenantVerdict {
  tenant: string;
  /** undefined when it cannot be told, which `problem` says. */
  verdict?: LogVerdict;
  problem?: string;
  pending?: Pending;
  /** Events of sealed months that came after the seal, and are not under it. */
  late: number;
  /** Of the month that was asked for. */
  month?: MonthLeaves & { digest: Uint8Array };
}

export interface TrailVerdict {
  tenants: TenantVerdict[];
  /** The first of each tenant; of a seal that is none, of no tenant (`*`). */
  differences: Difference[];
  problems: { tenant: string; problem: string }[];
  seals: number;
}

/** For what concerns all tenants. */
export const ALL_TENANTS = '*';

/** Verifies the logs of all tenants, one after the other. A difference in one does not keep the others from being looked at. */
export async function verifyTrail(trail: Trail, options: VerifyTrailOptions): Promise<TrailVerdict> {
  const { seals, differences } = openSeals(trail, options.log);
  const found: TrailVerdict = { tenants: [], differences, problems: [], seals: seals.length };
  for (const tenant of tenantsOf(trail, seals, options)) {
    const one = await verifyTenant(trail, tenant, seals, options);
    found.tenants.push(one);
    if (one.problem !== undefined) found.problems.push({ tenant, problem: one.problem });
    if (one.verdict?.intact === false) found.differences.push(one.verdict.difference);
  }
  return found;
}

function tenantsOf(trail: Trail, seals: readonly SealStatement[], { tenants, saved }: VerifyTrailOptions): string[] {
  if (tenants) return [...tenants];
  const sealed = seals.flatMap((seal) => Object.keys(seal.tenants));
  return [...new Set([...trail.tenants(), ...sealed, ...(saved?.keys() ?? [])])].sort();
}

function openSeals(trail: Trail, log: readonly NoteVerifier[]): { seals: SealStatement[]; differences: Difference[] } {
  const seals: SealStatement[] = [];
  const differences: Difference[] = [];
  for (const stored of trail.seals()) {
    try {
      seals.push(openMonth(stored, log));
    } catch (error) {
      const detail = `the seal of ${stored.month}: ${errorMessage(error, 0)}`;
      differences.push({ tenant: ALL_TENANTS, kind: 'seal', index: 0, detail });
    }
  }
  return { seals, differences };
}

async function verifyTenant(
  trail: Trail,
  tenant: string,
  seals: readonly SealStatement[],
  options: VerifyTrailOptions,
): Promise<TenantVerdict> {
  const own = seals.flatMap(({ month, tenants }) =>
    Object.hasOwn(tenants, tenant) ? [{ month, ...tenants[tenant]! }] : [],
  );
  const source = trail.log(tenant);
  const tally = new MonthTally(new Map(own.map(({ month, tree_size: size }) => [month, size])), options.month);
  const log = options.log.map((key) => key.named(tenantOrigin(key.name, tenant)));
  const pending = trail.pending?.(tenant);
  try {
    const saved = options.saved?.get(tenant) ?? [];
    const seals = own.map(({ seal }) => seal);
    const onProgress = (leaves: number, size: number) => options.onProgress?.({ tenant, leaves, size });
    const verdict = await verifyLog(tallied(source, tally, seals), { tenant, log, saved, onProgress }).catch(
      (error: unknown) => {
        const difference = foreign(tenant, saved, log);
        if (difference) return { intact: false as const, difference };
        throw error;
      },
    );
    const difference = verdict.intact ? afterwards(source, tally, own, verdict) : undefined;
    return {
      tenant,
      verdict: difference ? { intact: false, difference } : verdict,
      late: tally.late,
      ...(pending && { pending }),
      ...(tally.asked.events > 0 && { month: { ...tally.asked, digest: tally.digest.digest() } }),
    };
  } catch (error) {
    return { tenant, problem: errorMessage(error), late: tally.late, ...(pending && { pending }) };
  }
}

/** A saved checkpoint that none of the keys has signed: the log has another key than it had. */
function foreign(tenant: string, saved: readonly string[], log: readonly NoteVerifier[]): Difference | undefined {
  for (const note of saved)
    try {
      openCheckpoint(note, log);
    } catch (error) {
      if (!(error instanceof TlogError)) throw error;
      const detail = `a checkpoint saved earlier is not signed with this key (${error.message}); if the log has changed its key, give both`;
      return { tenant, kind: 'checkpoint', index: 0, detail };
    }
  return undefined;
}

/** The same log, whose leaves are counted on their way. */
function tallied(source: TenantLog, tally: MonthTally, seals: readonly string[]): LogSource {
  return {
    latest: () => source.latest(),
    checkpoints: () => source.checkpoints(),
    readTile: (tile) => source.readTile(tile),

    async *seals() {
      yield* seals;
    },
    async *leaves() {
      for await (const batch of source.leaves()) {
        for (const { month, index, entry } of batch) tally.add(month, index, entry);
        yield batch;
      }
    },
    ...(source.unlogged && { unlogged: () => source.unlogged!() }),
  };
}

interface OwnSeal {
  month: string;
  events: number;
  first_index: number;
  last_index: number;
  tree_size: number;
}

/** What can only be told when all leaves were seen. */
function afterwards(
  source: TenantLog,
  tally: MonthTally,
  seals: readonly OwnSeal[],
  { tenant, size }: Intact,
): Difference | undefined {
  if (source.notedSize !== undefined && source.notedSize !== size) {
    const detail = `beside the newest checkpoint, of ${size} leaves, the size ${source.notedSize} is noted`;
    return { tenant, kind: 'checkpoint', index: size, detail };
  }
  for (const seal of seals) {
    const { events = 0, first, last } = tally.months.get(seal.month) ?? {};
    if (events === seal.events && first === seal.first_index && last === seal.last_index) continue;
    // Events that are only digests in what was read may be of that month.
    if (events < seal.events && events + tally.unknown >= seal.events) continue;
    const detail = `of ${seal.month} there are ${events} leaves up to ${seal.tree_size}, and its seal has ${seal.events}`;
    return { tenant, kind: 'seal', index: seal.first_index, detail };
  }
  return undefined;
}

/** What is saved of a log for the next time. */
export function noteOf({ latest }: Intact): string | undefined {
  return latest === null ? undefined : typeof latest === 'string' ? latest : Buffer.from(latest).toString('utf8');
}
