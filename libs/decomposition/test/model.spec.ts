import { describe, expect, it } from '@jest/globals';
import { explore, STUCK } from '../src/core/model/explore.js';
import { checkEpoch, commit, lock, openTarget, type Part } from '../src/core/model/parts-of-steps.js';
import { PROTOCOL, type Protocol } from '../src/core/model/protocol.js';
import { type Bounds } from '../src/core/model/transitions.js';
import { bit, SOURCE, type Step, TARGET } from '../src/core/model/world.js';

/** Kills, steps that fail before or in spite of what they did, and the tool run again, are in all of them. */
const ALL_WRITERS: Bounds = { writers: [0, 1, 2], lostTurns: false, lostChange: false };
const LOST_CHANGE: Bounds = { writers: [0, 2], lostTurns: false, lostChange: true };
const LOST_TURNS: Bounds = { writers: [2], lostTurns: true, lostChange: false };

describe('in every state that can be reached, at most one side accepts writes and has all that was acknowledged, and there is a way back and a way on', () => {
  it.each([
    ['a participant, one that is cut off, and an outsider', ALL_WRITERS, 10_000],
    ['a stream that loses a change', LOST_CHANGE, 5_000],
    ['a run that has lost its turn and goes on', LOST_TURNS, 50_000],
  ])('with %s', (_, bounds, atLeast) => {
    const { states, fault, trace } = explore(bounds);
    expect({ fault, trace }).toEqual({ fault: undefined, trace: [] });
    expect(states).toBeGreaterThan(atLeast);
  });
});

const BOTH_OPEN = 'both sides accept writes';
const LACKS = 'the side that accepts writes lacks a row that was acknowledged';
const UNEQUAL = 'everything is at rest, and the sides are not equal';
const [NO_WAY_BACK, NO_WAY_ON] = STUCK;

describe('the model finds what is wrong with', () => {
  it.each<[string, string, Protocol, Bounds?]>([
    ['a flip before the drain', LACKS, order('switch', 'flip', 'drain')],
    ['neither drain nor comparison', LACKS, without('switch', 'drain', 'verify-delta')],
    ['no comparison, when the stream loses a change', LACKS, without('switch', 'verify-delta'), LOST_CHANGE],
    ['a flip before the source is fenced', BOTH_OPEN, order('switch', 'flip', 'fence-source')],
    ['no fence on the source', BOTH_OPEN, without('switch', 'fence-source')],
    [
      'a fence that does not wait for transactions under way',
      LACKS,
      parts('switch', { 'fence-source': [checkEpoch, commit(SOURCE, false)] }),
    ],
    ['a log that is skipped after the flip', UNEQUAL, order('switch', 'flip', 'hand-over')],
    ['no log of the target', NO_WAY_ON, without('switch', 'prepare')],
    [
      'a flip of two transactions',
      BOTH_OPEN,
      parts('switch', { flip: [lock(TARGET), commit(TARGET, true), lock(TARGET), openTarget('switched/target')] }),
    ],
    ['a take-back that leaves writes paused', NO_WAY_BACK, without('takeBackSwitch', 'resume')],
    ['a switch that does not start the way back', NO_WAY_BACK, settleWithoutStreams()],
    ['a source opened before the target is fenced', BOTH_OPEN, order('reverse', 'open-source', 'fence-target')],
    ['a reverse without drain and comparison', LACKS, without('reverse', 'drain', 'verify-delta')],
    ['a log that is skipped after the source was opened', UNEQUAL, order('reverse', 'open-source', 'hand-over')],
    [
      'a reverse taken back without a look at the source',
      BOTH_OPEN,
      { ...PROTOCOL, lists: { ...PROTOCOL.lists, resolveReverse: ['claim', 'open-target', 'settle'] } },
    ],
    ['a source opened without a look at the epoch', BOTH_OPEN, openingUnchecked(), LOST_TURNS],
  ])('%s', (_, fault, protocol, bounds = { ...ALL_WRITERS, writers: [0, 2] }) => {
    const found = explore(bounds, protocol);
    expect(found.fault).toBe(fault);
  });
});

type Direction = 'switch' | 'reverse';

/** `first` is done right before `then`. */
function order(list: Direction, first: Step, then: Step): Protocol {
  const rest = PROTOCOL.lists[list].filter((step) => step !== first);
  rest.splice(rest.indexOf(then), 0, first);
  return { ...PROTOCOL, lists: { ...PROTOCOL.lists, [list]: rest } };
}

function without(list: Direction | 'takeBackSwitch', ...steps: Step[]): Protocol {
  const rest = PROTOCOL.lists[list].filter((step) => !steps.includes(step));
  return { ...PROTOCOL, lists: { ...PROTOCOL.lists, [list]: rest } };
}

function parts(direction: Direction, changed: Partial<Record<Step, readonly Part[]>>): Protocol {
  return { ...PROTOCOL, parts: { ...PROTOCOL.parts, [direction]: { ...PROTOCOL.parts[direction], ...changed } } };
}

function settleWithoutStreams(): Protocol {
  const settle = PROTOCOL.parts.switch.settle!.slice(0, 5);
  return parts('switch', { settle });
}

function openingUnchecked(): Protocol {
  const open: Part[] = [
    (world, run) => {
      if (world.open & bit(SOURCE)) run.part += 2;
      return 'done';
    },
    lock(SOURCE),
    commit(SOURCE, true),
  ];
  return parts('switch', { 'open-source': open });
}
