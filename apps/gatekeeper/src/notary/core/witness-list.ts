import { z } from 'zod';
import { COSIGNATURE, NoteVerifier } from '#tlog';

/** Somebody else who looks at each checkpoint that it cosigns (C2SP tlog-witness). */
export interface Witness {
  /** Its cosignature key, in the spelling of signed-note: what the witness is known by here. */
  key: string;
  name: string;
  /** `<url>/add-checkpoint` takes checkpoints. */
  url: string;
}

const MAX_WITNESSES = 16;
const ENTRY = /^(.+?)@(https?:\/\/\S+)$/;
const EXPECTED = 'expected KEY@URL, with KEY as name+id+base64 and URL http or https, without a query';

/**
 * Witnesses, with commas or spaces between: `witness.example+0a1b2c3d+BA...=@https://witness.example/gravitas`. Errors name an entry by its
 * place, counted from 1.
 */
export const witnessList = z
  .string()
  .default('')
  .transform((text, context): readonly Witness[] => {
    const witnesses: Witness[] = [];
    const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
    const refuse = (message: string) => context.addIssue({ code: 'custom', message });
    if (entries.length > MAX_WITNESSES) refuse(`at most ${MAX_WITNESSES} witnesses`);
    for (const [index, entry] of entries.slice(0, MAX_WITNESSES).entries()) {
      const witness = parseEntry(entry);
      if (typeof witness === 'string') refuse(`entry ${index + 1}: ${witness}`);
      else if (witnesses.some(({ key }) => key === witness.key)) refuse(`entry ${index + 1}: the key is there already`);
      else witnesses.push(witness);
    }
    return witnesses;
  });

/** @returns what is wrong with it, where something is */
function parseEntry(entry: string): Witness | string {
  const [, key = '', address = ''] = ENTRY.exec(entry) ?? [];
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || url.search !== '' || url.hash !== '') return EXPECTED;
  try {
    const verifier = NoteVerifier.parse(key);
    if (verifier.type !== COSIGNATURE) return 'the key is not a cosignature key (type 4)';
    return { key: verifier.toString(), name: verifier.name, url: url.href.replace(/\/+$/, '') };
  } catch {
    return EXPECTED;
  }
}
