import { SplitError } from '../errors.js';
import { MAX_LAG_S, MAX_VERIFIED_AGE_MS } from '../limits.js';
import { type Move } from '../move.js';
import { type MoveState, type Phase } from '../state/move-state.js';
import { type Stream } from '../stream/stream.js';
import { awaitEpoch, readParticipants } from './participants.js';
import { type SwitchTools } from './tools.js';

/** A condition of a step; all are looked at, so that one refusal names all that is missing. */
export interface Gate {
  name: 'phase' | 'verified' | 'stream' | 'lag' | 'participants' | 'schema' | 'source' | 'dependents';
  ok: boolean;
  /** What was found. */
  reason: string;
  /** What would open it; empty when it is open. */
  next: string;
}

const CATCH_UP_MS = 2000;
const PARTICIPANTS_TIMEOUT_MS = 2000;

export function gate(name: Gate['name'], ok: boolean, reason: string, next: string): Gate {
  return { name, ok, reason, next: ok ? '' : next };
}

export function phaseGate({ phase, writes }: MoveState, wanted: Phase): Gate {
  const ok = phase === wanted && writes !== 'paused';
  const before: Record<Phase, string> = {
    created: 'Run `copy`.',
    copying: 'Let `copy` come to its end; running it again goes on.',
    in_step: 'Run `switch-writes` first.',
    switched: 'Run `reverse` first.',
    completed: 'The move is completed: there is no way back from it.',
    abandoned: 'The move is being given up: run `abandon` again.',
  };
  return gate(
    'phase',
    ok,
    `phase ${phase}, writes ${writes}`,
    writes === 'paused' ? 'A run was cut short: run `reverse`, or its verb again.' : before[phase],
  );
}

export async function verifiedGate(move: Move, { verifiedAt }: MoveState, now = Date.now()): Promise<Gate> {
  const next = 'Run `verify`: it must be clean and no older than an hour.';
  if (!verifiedAt) return gate('verified', false, (await standing(move)) ?? 'not verified', next);
  const ok = now - verifiedAt.getTime() <= MAX_VERIFIED_AGE_MS;
  return gate('verified', ok, `last verified clean at ${verifiedAt.toISOString()}`, next);
}

/** What the last verification found; undefined when it was none. */
async function standing({ databases, service }: Move): Promise<string | undefined> {
  const { rows } = await databases.target.query<{ count: number; table: string; detail: string }>(
    `SELECT count(*) OVER ()::int AS count, table_name AS "table", detail FROM decomposition.differences
     WHERE service = $1 AND repaired_at IS NULL ORDER BY id LIMIT 1`,
    [service.name],
  );
  const [first] = rows;
  if (!first) return undefined;
  const counted = first.count === 1 ? '1 difference stands,' : `${first.count} differences stand, such as`;
  return `${counted} in ${first.table}: ${first.detail.replace(/\.$/, '')}`;
}

/** Two gates: that changes flow at all, and how fast. */
export async function streamGates({ signal, state }: Move, stream: Stream, maxLagS = MAX_LAG_S): Promise<Gate[]> {
  const next = 'Look at `status`, and at the log of the server that changes go to.';
  const anew = 'Run `copy`: it follows anew, and makes the sides equal.';
  try {
    if (await state.hasMissed())
      return [gate('stream', false, 'changes were missed, and the sides are not equal again', anew)];
    // Some streams are carried on by whoever asks.
    await stream.catchUp(CATCH_UP_MS, signal).catch(() => undefined);
    const { seconds, pending, pendingUnit, lost } = await stream.lag();
    if (lost) return [gate('stream', false, 'changes were missed: what they were kept in is gone', anew)];
    if (seconds === null) return [gate('stream', false, 'nothing is being followed', next)];
    return [
      gate('stream', true, 'changes flow', ''),
      gate(
        'lag',
        seconds <= maxLagS,
        `${seconds.toFixed(1)} s behind, ${pending} ${pendingUnit} waiting`,
        `Wait until it is at most ${maxLagS} s behind.`,
      ),
    ];
  } catch (error) {
    return [gate('stream', false, (error as Error).message, next)];
  }
}

/** Those that are alive must act by the state as it is; that there are none is legal, and said. */
export async function participantsGate(move: Move, { epoch }: MoveState): Promise<Gate> {
  const { participants, missing } = await awaitEpoch(move, epoch, PARTICIPANTS_TIMEOUT_MS);
  const { gone } = await readParticipants(move);
  const counted = participants.length === 0 ? 'nobody takes part' : `${participants.length} take part`;
  const reason =
    missing.length > 0
      ? `${missing.map(({ instance }) => instance).join(', ')} does not act by the present state`
      : gone.length > 0
        ? `${counted}; not heard of lately: ${gone.join(', ')}`
        : counted;
  return gate('participants', missing.length === 0, reason, 'Look whether it reaches the target database, or stop it.');
}

export async function schemaGate(move: Move, tools: Pick<SwitchTools, 'driftOf'>): Promise<Gate> {
  const drift = await tools.driftOf(move).catch((error: Error) => [error.message]);
  return gate(
    'schema',
    drift.length === 0,
    drift.length === 0 ? 'the tables look the same on both sides' : drift.join('; '),
    'Make the same change on the other side; new partitions the verb makes there itself.',
  );
}

export async function sourceGate({ databases }: Move): Promise<Gate> {
  try {
    await databases.source.query('SELECT 1');
    return gate('source', true, 'the source answers', '');
  } catch (error) {
    return gate('source', false, (error as Error).message, 'Look whether its server runs.');
  }
}

/** Before anything else is asked of it. @throws SplitError `refused` */
export async function assertSourceThere(verb: string, move: Move): Promise<void> {
  assertOpen(verb, move.service.name, [await sourceGate(move)]);
}

/** @throws SplitError `refused` naming all gates that do not hold */
export function assertOpen(verb: string, service: string, gates: readonly Gate[]): void {
  const shut = gates.filter(({ ok }) => !ok);
  if (shut.length === 0) return;
  throw new SplitError(
    'refused',
    `\`${verb}\` of ${service} is refused: ${shut.map(({ name, reason }) => `${name} (${reason})`).join('; ')}.`,
    [...new Set(shut.map(({ next }) => next))].join(' '),
  );
}
