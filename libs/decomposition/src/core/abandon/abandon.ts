import { checkApart } from '../create/provision-target.js';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type MoveState, type Phase } from '../state/move-state.js';
import { assertSourceThere } from '../switch/gates.js';
import { asOnlyRun, type VerbOptions } from '../switch/run.js';
import { withTurn } from '../turn.js';
import { clearSource } from './clear-source.js';
import { assertOwnDatabase, dropTarget, forgetMove } from './forget-move.js';
import { giveUp } from './give-up.js';

export interface AbandonOptions extends Pick<VerbOptions, 'tools' | 'dryRun' | 'onStep'> {
  /** Drops the target's database with all that is in it; otherwise its tables stay as they are, open to writes. Default false. */
  drop?: boolean;
  /** Asks nothing of the target, which is gone for good, and tidies the source only. Default false. */
  withoutTarget?: boolean;
}

export interface AbandonReport {
  /** `nothing`: there was no move, and nothing of one on the source. */
  did: 'nothing' | 'abandoned' | 'dropped';
  /** What a dry run would do; empty otherwise. */
  would: string;
  /** As it was found; null when there was no move, or it could not be asked. */
  phase: Phase | null;
  /** Instances that had not heard of it in time. */
  late: readonly string[];
}

export const VERB = 'abandon';

/**
 * Gives up a move that has not switched: nothing follows the source any more, no log is kept for it, and nothing is left of the move. Its
 * logins stay, because others may be using them. Run again after whatever interrupted it, it goes on; afterwards `create` may begin anew.
 *
 * @throws SplitError `refused` when the move has switched, a switch was cut short, or a server does not answer; `busy`; `timeout`
 */
export async function abandon(move: Move, options: AbandonOptions): Promise<AbandonReport> {
  await assertSourceThere(VERB, move);
  if (options.withoutTarget) {
    if (options.drop)
      throw new SplitError('refused', 'What is gone cannot be dropped.', 'Give one of --drop and --without-target.');
    return onSourceOnly(move, options);
  }
  if (!(await targetIsThere(move))) return onSourceOnly(move, options);
  const state = await move.state.find();
  if (state) assertNotSwitched(state);
  if (options.drop) await assertOwnDatabase(move);
  if (options.dryRun) return wouldReport(move, state, options);
  // Not beside a `create`, which has no turn on the target yet.
  return withTurn(
    move,
    'abandon',
    async () => {
      if (!state) return withoutMove(move, options);
      return asOnlyRun(move, VERB, options, async (run, now) => {
        assertNotSwitched(now);
        const late = await giveUp(run);
        if (options.drop) await dropTarget(move);
        else await forgetMove(move);
        return { did: options.drop ? 'dropped' : 'abandoned', would: '', phase: state.phase, late };
      });
    },
    'create',
  );
}

function assertNotSwitched({ phase, writes, service }: MoveState): void {
  const way = writes === 'paused' ? 'is in the middle of a switch' : `is ${phase}`;
  if (phase === 'switched' || phase === 'completed' || writes !== 'source')
    throw new SplitError(
      'refused',
      `The move of ${service} ${way}: rows may be on its target only.`,
      phase === 'completed' ? 'There is nothing left to give up.' : 'Run `reverse`, and then `abandon`.',
    );
}

async function targetIsThere(move: Move): Promise<boolean> {
  try {
    return await checkApart(move);
  } catch (error) {
    if (!(error instanceof SplitError) || error.code !== 'refused') throw error;
    throw new SplitError(
      'refused',
      error.message,
      'Look whether its server runs. If it is gone for good, give --without-target.',
      { cause: error },
    );
  }
}

/** A `create` that was cut short before there was a move, or nothing. */
async function withoutMove(move: Move, options: AbandonOptions): Promise<AbandonReport> {
  const found = await clearSource(move, options.tools);
  if (options.drop) await dropTarget(move);
  const forgot = !options.drop && (await forgetMove(move));
  const did = options.drop ? 'dropped' : found || forgot ? 'abandoned' : 'nothing';
  return { did, would: '', phase: null, late: [] };
}

async function onSourceOnly(move: Move, options: AbandonOptions): Promise<AbandonReport> {
  if (options.dryRun) return wouldReport(move, undefined, options);
  return withTurn(
    move,
    'abandon',
    async () => {
      const found = await clearSource(move, options.tools);
      return { did: found ? 'abandoned' : 'nothing', would: '', phase: null, late: [] };
    },
    'create',
  );
}

function wouldReport({ service }: Move, state: MoveState | undefined, { drop }: AbandonOptions): AbandonReport {
  const then = drop ? ', and drop the database of the target' : '';
  const would = `take away all that a move of ${service.name} has left${then}`;
  return { did: 'nothing', would, phase: state?.phase ?? null, late: [] };
}
