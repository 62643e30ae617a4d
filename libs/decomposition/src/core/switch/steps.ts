/**
 * The order of things. The verbs carry these lists out, and the model in core/model explores the same lists, so that what is proved
 * is what is done.
 *
 * Before `pause` nothing is held up. From `pause` on neither side takes writes, until `flip` (or `resume`) has said which one does.
 */
export const SWITCH_STEPS = [
  'prepare',
  'pause',
  'fence-source',
  'drain',
  'sequences',
  'verify-delta',
  'hand-over',
  /** Opens the target and says so, in one transaction: the point of no return. */
  'flip',
  'settle',
] as const;

/** Back from anywhere before `flip`. */
export const TAKE_BACK_SWITCH_STEPS = ['claim', 'open-source', 'resume', 'settle'] as const;

/**
 * The state is kept in the target, so opening the source and saying so are two transactions. In this order both sides may be closed
 * in between; in the other order participants would be sent to a source that is closed.
 */
export const REVERSE_STEPS = [
  'prepare',
  'pause',
  'fence-target',
  'drain',
  'sequences',
  'verify-delta',
  'hand-over',
  /** The point of no return: somebody who does not take part may write to the source from here on. */
  'open-source',
  'resume',
  'settle',
] as const;

/** Back from anywhere before `open-source`. */
export const TAKE_BACK_REVERSE_STEPS = ['claim', 'open-target', 'settle'] as const;

/** On from anywhere after `open-source`. */
export const FINISH_REVERSE_STEPS = ['claim', 'resume', 'settle'] as const;

/** The end: from `conclude` on there is no way back. */
export const COMPLETE_STEPS = ['verify', 'conclude', 'end-streams', 'retire', 'schedule'] as const;
/** Once the tables have been aside for long enough. */
export const DROP_STEPS = ['drop', 'tidy'] as const;

/** A move that has not switched is given up: from `claim` on there is no other way but on. */
export const ABANDON_STEPS = ['claim', 'participants', 'open-source', 'end-streams', 'tidy-source'] as const;

export type SwitchStep = (typeof SWITCH_STEPS)[number];
export type TakeBackSwitchStep = (typeof TAKE_BACK_SWITCH_STEPS)[number];
export type ReverseStep = (typeof REVERSE_STEPS)[number];
export type TakeBackReverseStep = (typeof TAKE_BACK_REVERSE_STEPS)[number];
export type FinishReverseStep = (typeof FINISH_REVERSE_STEPS)[number];
export type CompleteStep = (typeof COMPLETE_STEPS)[number];
export type DropStep = (typeof DROP_STEPS)[number];
export type AbandonStep = (typeof ABANDON_STEPS)[number];
export type StepName =
  | SwitchStep
  | TakeBackSwitchStep
  | ReverseStep
  | TakeBackReverseStep
  | FinishReverseStep
  | CompleteStep
  | DropStep
  | AbandonStep;
