import {
  FINISH_REVERSE_STEPS,
  REVERSE_STEPS,
  SWITCH_STEPS,
  TAKE_BACK_REVERSE_STEPS,
  TAKE_BACK_SWITCH_STEPS,
} from '../switch/steps.js';
import { type Part, REVERSE_PARTS, SWITCH_PARTS } from './parts-of-steps.js';
import { type ListName, type Step } from './world.js';

/** What is explored: the order of steps, and what each does. Tests hand in wrong ones. */
export interface Protocol {
  lists: Readonly<Record<ListName, readonly Step[]>>;
  parts: Readonly<Record<'switch' | 'reverse', Readonly<Partial<Record<Step, readonly Part[]>>>>>;
}

/** The lists that the verbs carry out. */
export const PROTOCOL: Protocol = {
  lists: {
    settle: ['settle'],
    switch: SWITCH_STEPS,
    takeBackSwitch: TAKE_BACK_SWITCH_STEPS,
    reverse: REVERSE_STEPS,
    /** The step that both ways out of a reverse have in common, and the question which one it is. */
    resolveReverse: [TAKE_BACK_REVERSE_STEPS[0], 'look'],
    takeBackReverse: TAKE_BACK_REVERSE_STEPS,
    finishReverse: FINISH_REVERSE_STEPS,
  },
  parts: { switch: SWITCH_PARTS, reverse: REVERSE_PARTS },
};

const DIRECTION: Readonly<Record<ListName, 'switch' | 'reverse'>> = {
  settle: 'switch',
  switch: 'switch',
  takeBackSwitch: 'switch',
  reverse: 'reverse',
  resolveReverse: 'reverse',
  takeBackReverse: 'reverse',
  finishReverse: 'reverse',
};

export function partsOf({ lists, parts }: Protocol, list: ListName, step: number): readonly Part[] {
  const name = lists[list][step]!;
  const found = parts[DIRECTION[list]][name];
  if (!found) throw new Error(`the model does not say what "${name}" does in "${list}"`);
  return found;
}
