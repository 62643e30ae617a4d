import { status } from '#decomposition';
import { openStreamOf } from './open-stream.js';
import { type MoveContext, type MoveVerb, type Outcome } from './verb.js';

/** `--dry-run` of a verb that has none of its own: whether its phase is right, what is in the way, and its steps. Changes nothing. */
export async function rehearse(verb: MoveVerb, { move, library }: MoveContext): Promise<Outcome> {
  const found = await status(move, { openStream: openStreamOf(library) });
  const { phase, problems } = found;
  const right = verb.phases.includes(phase);
  const refused = [
    ...problems,
    ...(problems.length > 0 || right
      ? []
      : [`${verb.name} is not for phase ${phase ?? 'none'}; next comes ${found.next ?? 'nothing'}`]),
  ];
  const lines = [
    ...refused.map((text) => `refused: ${text}`),
    ...(refused.length > 0 ? [] : verb.steps.map((step, i) => `would ${i + 1}. ${step}`)),
  ];
  const report = { phase, refused, steps: refused.length > 0 ? [] : verb.steps };
  return { code: problems.length > 0 ? 2 : right ? 0 : 1, lines, report };
}
