import { changeState, type Outcome } from './parts-of-steps.js';
import { partsOf, type Protocol } from './protocol.js';
import { type ListName, type Run, type World } from './world.js';

type Slot = 0 | 1;
type Then = Run['then'];

function enter(world: World, slot: Slot, list: ListName, then: Then, current: boolean): void {
  world.runs[slot] = { list, then, step: 0, part: 0, current, lock: null, seen: null };
}

/** A new epoch: what another run still has in mind fails from here on. */
function claim(world: World, slot: Slot): void {
  changeState(world, world.runs[slot]!, world.state);
}

/** What a verb does first, by the state that it finds. @returns false when it refuses */
export function begin(world: World, verb: 'switch' | 'reverse'): boolean {
  const first: Record<World['state'], Record<typeof verb, [ListName, Then] | null>> = {
    'in_step/source': { switch: ['settle', 'switch'], reverse: ['settle', 'end'] },
    switching: { switch: ['takeBackSwitch', 'switch'], reverse: ['takeBackSwitch', 'end'] },
    'switched/target': { switch: ['settle', 'end'], reverse: ['settle', 'reverse'] },
    reversing: { switch: null, reverse: ['resolveReverse', 'reverse'] },
  };
  const found = first[world.state][verb];
  if (!found) return false;
  enter(world, 0, ...found, true);
  claim(world, 0);
  return true;
}

/** Does the next part of a run. @returns false when it has to wait */
export function advance(protocol: Protocol, world: World, slot: Slot): boolean {
  const run = world.runs[slot]!;
  const outcome = doPart(protocol, world, run);
  if (outcome === 'wait') return false;
  if (outcome === 'fail') fail(protocol, world, slot);
  else skipDone(protocol, world, slot);
  return true;
}

function doPart(protocol: Protocol, world: World, run: Run): Outcome {
  const part = partsOf(protocol, run.list, run.step)[run.part];
  const outcome = part ? part(world, run) : 'done';
  if (outcome === 'done') run.part += 1;
  return outcome;
}

/** On to the next step, or to what comes after the list. */
function skipDone(protocol: Protocol, world: World, slot: Slot): void {
  const run = world.runs[slot]!;
  if (run.part < partsOf(protocol, run.list, run.step).length) return;
  Object.assign(run, { step: run.step + 1, part: 0, seen: null });
  // `Turn.assertHeld`, before each step.
  if (slot === 1) {
    world.runs[slot] = null;
    return;
  }
  const steps = protocol.lists[run.list].length;
  while (run.step < steps && partsOf(protocol, run.list, run.step).length === 0) run.step += 1;
  if (run.step < steps) return;
  if (run.then === 'end') world.runs[slot] = null;
  else enter(world, slot, run.then, 'end', run.current);
}

/** What a run does when a step fails: nothing, when nothing was begun. */
export function fail(protocol: Protocol, world: World, slot: Slot): void {
  const { list, step } = world.runs[slot]!;
  const name = protocol.lists[list][step];
  world.runs[slot] = null;
  // To take anything back it needs the turn.
  if (name === 'settle' || name === 'prepare' || slot === 1) return;
  if (list === 'switch') enter(world, slot, 'takeBackSwitch', 'end', false);
  else if (list === 'reverse') enter(world, slot, 'resolveReverse', 'end', false);
  else if (name === 'claim') {
    // The state is not what it was thought to be: it was through already.
    enter(world, slot, 'settle', 'end', false);
    claim(world, slot);
  }
}

/** A step of the way there fails, before it has done anything or, with `after`, in spite of what it has done. @returns false when it cannot */
export function breakStep(protocol: Protocol, world: World, slot: Slot, after: boolean): boolean {
  const run = world.runs[slot]!;
  if (run.list !== 'switch' && run.list !== 'reverse') return false;
  if (after && doPart(protocol, world, run) !== 'done') return false;
  fail(protocol, world, slot);
  return true;
}
