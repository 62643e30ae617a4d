/**
 * What a statement means to a dual write. Whatever is not known for sure is `plain`, and goes to the authoritative side only: that is
 * always right, as triggers log there what it changes.
 *
 * - `write`: INSERT, UPDATE, DELETE, MERGE, also within WITH
 * - `lock`: SELECT ... FOR UPDATE and the like
 * - `setting`: SET, RESET, `SELECT set_config(...)`
 * - `savepoint`: SAVEPOINT, RELEASE, ROLLBACK TO
 * - `begin`, `commit`, `rollback`: of a transaction; `begin` may be followed by settings in the same text
 * - `mixed`: several statements, some of which begin or end a transaction
 * - `plain`: reads, COPY, TRUNCATE, CALL, DDL, and all else
 */
export type StatementKind =
  'write' | 'lock' | 'setting' | 'savepoint' | 'begin' | 'commit' | 'rollback' | 'mixed' | 'plain';

export interface Statement {
  kind: StatementKind;
  /** Of `begin`. */
  readOnly: boolean;
}

// A line comment, the start of a block comment, strings, quoted names, the start of a dollar-quoted string, words, anything else.
const TOKEN =
  /--[^\n]*|\/\*|[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?:[A-Za-z_]\w*)?\$|[A-Za-z_][\w$]*|;|[^]/gs;
const WORD = /^[A-Za-z_]/;
const CHANGES = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
const LOCKS = new Set(['UPDATE', 'SHARE', 'NO', 'KEY']);
const CONTROL = new Set<StatementKind>(['begin', 'commit', 'rollback', 'savepoint']);

const MAX_CACHED = 500;
const MAX_CACHED_LENGTH = 4000;
const cache = new Map<string, Statement>();

/** Source: PostgreSQL documentation, "Lexical Structure". */
export function statementOf(text: string): Statement {
  const known = cache.get(text);
  if (known) return known;
  const statement = whole(split(text));
  if (text.length <= MAX_CACHED_LENGTH) {
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(text, statement);
  }
  return statement;
}

function whole(statements: readonly string[][]): Statement {
  const kinds = statements.map(kindOf);
  const [first = 'plain', ...rest] = kinds;
  const readOnly = first === 'begin' && statements[0]!.some((word, i, all) => word === 'READ' && all[i + 1] === 'ONLY');
  const only = (...allowed: StatementKind[]): boolean => rest.every((kind) => allowed.includes(kind));
  if (rest.length === 0 || (first === 'begin' && only('setting', 'plain'))) return { kind: first, readOnly };
  const kind = kinds.some((one) => CONTROL.has(one))
    ? 'mixed'
    : (['write', 'lock', 'setting'] as const).find((one) => kinds.includes(one));
  return { kind: kind ?? 'plain', readOnly: false };
}

function kindOf(words: readonly string[]): StatementKind {
  const has = (word: string): boolean => words.includes(word);
  switch (words[0]) {
    case 'BEGIN':
    case 'START':
      return 'begin';
    case 'COMMIT':
    case 'END':
      return has('PREPARED') ? 'plain' : 'commit';
    case 'ROLLBACK':
    case 'ABORT':
      return has('PREPARED') ? 'plain' : has('TO') ? 'savepoint' : 'rollback';
    case 'SAVEPOINT':
    case 'RELEASE':
      return 'savepoint';
    case 'SET':
    case 'RESET':
      return 'setting';
    case 'INSERT':
    case 'UPDATE':
    case 'DELETE':
    case 'MERGE':
      return 'write';
    case 'WITH':
      return words.some((word, i) => CHANGES.has(word) && !['FOR', 'KEY'].includes(words[i - 1]!))
        ? 'write'
        : selection(words);
    case 'SELECT':
      return selection(words);
    default:
      return 'plain';
  }
}

function selection(words: readonly string[]): StatementKind {
  if (words.includes('SET_CONFIG')) return 'setting';
  return words.some((word, i) => word === 'FOR' && LOCKS.has(words[i + 1] ?? '')) ? 'lock' : 'plain';
}

/** The words of each statement, in capitals, without comments, strings and quoted names. */
function split(text: string): string[][] {
  const statements: string[][] = [[]];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [token] = match;
    if (token === '/*') TOKEN.lastIndex = endOfComment(text, TOKEN.lastIndex);
    else if (token.length > 1 && token.startsWith('$')) {
      const end = text.indexOf(token, TOKEN.lastIndex);
      TOKEN.lastIndex = end < 0 ? text.length : end + token.length;
    } else if (token === ';') statements.push([]);
    else if (WORD.test(token) && !token.endsWith("'")) statements.at(-1)!.push(token.toUpperCase());
  }
  return statements.filter((words) => words.length > 0);
}

/** Comments may be nested. */
function endOfComment(text: string, from: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  for (let depth = 1, mark = marks.exec(text); mark; mark = marks.exec(text)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}
