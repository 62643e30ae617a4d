import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type ParsedNode } from 'yaml';
import { type z } from 'zod';
import { errorMessage } from '#errors';
import { POLICY_LIMITS } from './policy-data.js';
import { PolicyError, type Place } from './policy-error.js';

/** A value in the file: where it stands, and what to call it. */
export interface Value {
  node: ParsedNode | null;
  path: string;
  /** Where to point when there is no node. An offset. */
  at: number;
}

interface Problem {
  at: number;
  text: string;
}

/** Problems that are told at most; the rest would be noise. */
const MAX_PROBLEMS = 10;

/**
 * Reads a YAML document node by node, so that whatever is wrong has a line and a column. All scalars are text, as they stand. Keys must
 * be unique, tags and more than a few aliases are refused.
 *
 * What is wrong is collected: the reading methods say `undefined` or leave it out, and `finish` throws.
 */
export class YamlReader {
  private readonly lines = new LineCounter();
  private readonly document: Document.Parsed;
  private readonly problems: Problem[] = [];
  private readonly anchors = new Map<string, ParsedNode>();
  private aliases = 0;

  /** @throws PolicyError when it is no YAML */
  constructor(yaml: string) {
    this.document = this.parse(yaml);
    // Warnings are of tags and directives that are not understood: the file may mean something else than it seems to.
    for (const { pos, message } of [...this.document.errors, ...this.document.warnings])
      this.problem(pos[0], message.replace(/\s+$/, ''));
    this.finish();
  }

  get root(): Value {
    return { node: this.document.contents, path: 'policy', at: 0 };
  }

  /** @throws PolicyError when anything was wrong */
  finish(): void {
    const [first] = this.problems;
    if (!first) return;
    const told = this.problems.map(({ at, text }) => {
      const { line, column } = this.placeOf(at);
      return `line ${line}, column ${column}: ${text}`;
    });
    throw new PolicyError(told.join('; '), this.placeOf(first.at));
  }

  /** @throws PolicyError when that is one problem too many */
  problem(at: number, text: string): void {
    this.problems.push({ at, text });
    if (this.problems.length >= MAX_PROBLEMS) this.finish();
  }

  /** @param max throws above it */
  *members(value: Value, what: string, max: number): Generator<[string, Value]> {
    const node = this.follow(value);
    if (!isMap<ParsedNode, ParsedNode | null>(node)) return this.problem(value.at, `${value.path}: expected object`);
    if (node.items.length > max) this.stop(value, `has ${node.items.length} ${what}; at most ${max} are taken`);
    const seen = new Set<string>();
    for (const { key, value: member } of node.items) {
      const at = key.range[0];
      const name: unknown = isScalar(key) ? key.value : undefined;
      if (typeof name !== 'string') this.problem(at, `${value.path}: expected a name`);
      else if (seen.has(name)) this.problem(at, `${pathTo(value, name)}: is there twice`);
      else {
        seen.add(name);
        yield [name, { node: member, path: pathTo(value, name), at: member?.range[0] ?? at }];
      }
    }
  }

  /** An object of which all members are known by name: one that is misspelt must not be one that is silently missing. */
  struct<K extends string>(value: Value, known: readonly K[]): Partial<Record<K, Value>> {
    const found: Partial<Record<K, Value>> = {};
    for (const [name, member] of this.members(value, 'members', 1000)) {
      if (isOneOf(name, known)) found[name] = member;
      else this.problem(member.at, `${member.path}: is not known here; known are ${known.join(', ')}`);
    }
    return found;
  }

  *items(value: Value, max: number): Generator<Value> {
    const node = this.follow(value);
    if (!isSeq<ParsedNode>(node)) return this.problem(value.at, `${value.path}: expected a list`);
    if (node.items.length > max) this.stop(value, `has ${node.items.length} items; at most ${max} are taken`);
    for (const [i, item] of node.items.entries())
      yield { node: item, path: pathTo(value, String(i)), at: item?.range[0] ?? value.at };
  }

  text(value: Value, schema: z.ZodType<string>): string {
    const node = this.follow(value);
    if (!isScalar(node) || typeof node.value !== 'string') {
      this.problem(value.at, `${value.path}: expected text`);
      return '';
    }
    return this.check(node.value, value, schema);
  }

  check<T extends string>(text: string, { path, at }: Value, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(text);
    if (!parsed.success) this.problem(at, `${path}: ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
    return text as T;
  }

  /** @throws PolicyError at once */
  stop({ path, at }: Value, text: string): never {
    this.problems.push({ at, text: `${path}: ${text}` });
    this.finish();
    throw new Error('unreachable');
  }

  private parse(yaml: string): Document.Parsed {
    try {
      // uniqueKeys compares each key with each other: with many that takes minutes.
      const document = parseDocument(yaml, {
        schema: 'failsafe',
        resolveKnownTags: false,
        uniqueKeys: false,
        prettyErrors: false,
        lineCounter: this.lines,
      });
      return document;
    } catch (error) {
      // It goes down by recursion.
      const reason = error instanceof RangeError ? 'is nested too deeply' : errorMessage(error, 0);
      throw new PolicyError(`line 1, column 1: policy: ${reason}`, { line: 1, column: 1 }, { cause: error });
    }
  }

  /** The node itself, or the one that an alias stands for. Nodes are followed in the order of the file. */
  private follow(value: Value): ParsedNode | null {
    const { node } = value;
    if (!isAlias(node)) {
      if (node?.anchor !== undefined) this.anchors.set(node.anchor, node);
      return node;
    }
    if (++this.aliases > POLICY_LIMITS.aliases)
      this.stop(value, `is one alias too many; at most ${POLICY_LIMITS.aliases} are taken`);
    return this.anchors.get(node.source) ?? this.stop(value, `there is no &${node.source} before it`);
  }

  private placeOf(offset: number): Place {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function pathTo({ path }: Value, name: string): string {
  return path === 'policy' ? name : `${path}.${name}`;
}

function isOneOf<K extends string>(name: string, known: readonly K[]): name is K {
  return (known as readonly string[]).includes(name);
}
