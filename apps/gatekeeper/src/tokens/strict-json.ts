const MAX_DEPTH = 32;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * JSON after RFC 8259 that means the same to every reader: no object in it has two members of one name, however these are escaped
 * (RFC 7519, section 4, leaves it open which of two wins), and nothing is deeper than 32 levels.
 *
 * @throws Error saying what is wrong
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  refuseDuplicates(text);
  return value;
}

/** Walks over text that is known to be JSON: a string before a colon is a member's name, and nothing else is. */
function refuseDuplicates(text: string): void {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === 0x7b || character === 0x5b) {
      if (open.length === MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} levels deep`);
      open.push(new Set());
    } else if (character === 0x7d || character === 0x5d) {
      open.pop();
    } else if (character === QUOTE) {
      const end = endOfString(text, at);
      if (isName(text, end)) note(open.at(-1), text.slice(at, end));
      at = end - 1;
    }
  }
}

/** @returns the index after the closing quote */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

function isName(text: string, end: number): boolean {
  let at = end;
  while (/[ \t\r\n]/.test(text.charAt(at))) at++;
  return text.charAt(at) === ':';
}

function note(names: Set<string> | undefined, quoted: string): void {
  const name = JSON.parse(quoted) as string;
  if (names?.has(name)) throw new Error(`the member ${JSON.stringify(name.slice(0, 50))} is there twice`);
  names?.add(name);
}
