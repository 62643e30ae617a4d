import { setTimeout as sleep } from 'node:timers/promises';
import fc, { type AsyncCommand } from 'fast-check';
import { type SinkMode } from './connection.js';
import { type Crash } from './life.js';
import { type DiskError } from './mortal-files.js';
import { type Model } from './model.js';
import { type Play } from './play.js';
import { type Draft } from './turns.js';

type When = (model: Readonly<Model>) => boolean;
type Step = AsyncCommand<Model, Play>;

const isOpen: When = ({ state }) => state === 'open';
const isClosed: When = ({ state }) => state === 'closed';
const isThere: When = ({ state }) => state !== 'crashed';
const always: When = () => true;

/** @param text as it stands in a counterexample */
function step(text: string, when: When, act: (play: Play) => Promise<void> | void): Step {
  return {
    check: (model) => when(model),
    run: async (_model, play) => {
      await act(play);
      play.invariants.check();
    },
    toString: () => text,
  };
}

const draft: fc.Arbitrary<Draft> = fc.record({
  length: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 200 }) },
    { weight: 1, arbitrary: fc.integer({ min: 2000, max: 30_000 }) },
  ),
  // One, two, three and four bytes in UTF-8.
  character: fc.constantFrom('a', 'é', '→', '🙂').map((character) => character),
  poison: fc.oneof({ weight: 12, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

const drafts = (maxLength: number): fc.Arbitrary<Draft[]> => fc.array(draft, { minLength: 1, maxLength, size: 'max' });

const describe = (turn: readonly Draft[]): string =>
  turn.map(({ length, character, poison }) => `${length}${character}${poison ? ' poison' : ''}`).join(', ');

const record = drafts(15).map((turn) => step(`record(${describe(turn)})`, isOpen, (play) => play.record(turn)));
const recordTooLate = drafts(1).map((turn) => step(`record(${describe(turn)})`, isClosed, (play) => play.record(turn)));

const awaitTurn = step('awaitTurn', isOpen, (play) => play.awaitTurn());
const flush = step('flush', isThere, (play) => play.flush());
const wait = fc.constantFrom(1, 5, 30).map((ms) => step(`wait(${ms})`, always, () => sleep(ms)));

const close = fc
  .boolean()
  .map((inTime) => step(`close(${inTime ? 'in time' : 'at once'})`, isThere, (play) => play.close(inTime)));
const open = step(
  'open',
  ({ state }) => state !== 'open',
  (play) => play.open(),
);

const crashes: fc.Arbitrary<Crash> = fc.record({
  lands: fc.boolean(),
  written: fc.constantFrom('all', 'some', 'none'),
});
const crash = crashes.map((how) => step(`crash(${JSON.stringify(how)})`, isOpen, (play) => play.crash(how)));

/** After some more calls to the file system: within one of them. */
const crashWithin = fc
  .record({ calls: fc.nat(6), part: fc.constantFrom(0, 0.3, 0.9, 1), how: crashes, closing: fc.boolean() })
  .chain((death) => drafts(5).map((turn) => ({ death, turn })))
  .map(({ death, turn }) =>
    step(`crashWithin(${JSON.stringify(death)}, ${describe(turn)})`, isOpen, (play) => play.crashWithin(death, turn)),
  );

const sink = fc
  .constantFrom<SinkMode[]>('up', 'up', 'slow', 'lossy', 'hung', 'down')
  .map((mode) => step(`sink(${mode})`, always, (play) => play.sink(mode)));

const diskRefuses = fc
  .record({ code: fc.constantFrom<DiskError[]>('ENOSPC', 'EIO'), part: fc.constantFrom(0, 0, 0.5) })
  .map(({ code, part }) =>
    step(`diskRefuses(${code}, after ${part} of a write)`, isOpen, (play) => play.diskRefuses(code, part)),
  );
const diskTakes = fc.boolean().map((awaited) =>
  step(
    `diskTakes(${awaited ? 'awaited' : ''})`,
    ({ disk }) => disk === 'refuses',
    (play) => play.diskTakes(awaited),
  ),
);

const times = (weight: number, step: Step | fc.Arbitrary<Step>): fc.WeightedArbitrary<Step> => ({
  weight,
  arbitrary: 'generate' in step ? step : fc.constant(step),
});

/** What can be done to the loggers and to the world around them, the frequent things more often. */
export const steps: fc.Arbitrary<Step> = fc.oneof(
  times(10, record),
  times(1, recordTooLate),
  times(4, awaitTurn),
  times(3, flush),
  times(2, wait),
  times(2, close),
  times(6, open),
  times(2, crash),
  times(2, crashWithin),
  times(6, sink),
  times(2, diskRefuses),
  times(4, diskTakes),
);
