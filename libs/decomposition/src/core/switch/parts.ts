import { type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { type Stream } from '../stream/stream.js';
import { cutKeysOf, type CutKey } from './cut-keys.js';
import { type SwitchTools } from './tools.js';

/** What a switch moves about; read before anything is paused. */
export interface Parts {
  readonly tables: Readonly<Record<Side, readonly Table[]>>;
  /** Foreign keys of the source that are cut, and those of them that a way back makes again. */
  readonly keys: readonly CutKey[];
  readonly restorable: readonly CutKey[];
  readonly forward: Stream;
  readonly reverse: Stream;
  /** Participants write both sides: the closed one lets their halves through, except during a switch. */
  readonly dual: boolean;
}

export async function readParts(move: Move, tools: SwitchTools): Promise<Parts> {
  const keys = await cutKeysOf(move);
  const { dual, strategy } = await move.state.read();
  return {
    tables: { source: await move.tables('source'), target: await move.tables('target') },
    keys,
    restorable: await tools.restorable(move, keys),
    ...streamsOf(move, tools),
    dual: dual || strategy === 'dual-write',
  };
}

export function streamsOf(move: Move, tools: Pick<SwitchTools, 'openStream'>): Pick<Parts, 'forward' | 'reverse'> {
  return { forward: tools.openStream(move, 'source'), reverse: tools.openStream(move, 'target') };
}
