import { hash } from 'node:crypto';
import { PolicyError } from './policy-error.js';
import { type Permission, type PolicyData } from './policy-data.js';

/**
 * A policy as canonical JSON (RFC 8785): members in order, no blanks, and without what is a default: a permission without `effect`
 * allows. Two files that mean the same give the same text.
 */
export function canonicalPolicy({ groups, mappings }: PolicyData): string {
  const mapped = members(mappings, (names) => JSON.stringify(names));
  const permitted = members(
    groups,
    (permissions) => `{"permissions":[${permissions.map(canonicalPermission).join()}]}`,
  );
  return `{"ghost_mappings":${mapped},"groups":${permitted}}`;
}

/** SHA-256, in hex, of the canonical text: comments, layout and the order of groups do not count. */
export function versionOf(canonical: string): string {
  return hash('sha256', canonical);
}

/**
 * The policy behind a canonical text, or behind what a JSON column made of it.
 *
 * @throws PolicyError when it is no policy
 */
export function fromCanonical(json: unknown): PolicyData {
  const { groups, ghost_mappings: mappings } = object(json);
  return {
    groups: new Map(
      Object.entries(object(groups)).map(([name, group]) => [name, list(object(group).permissions).map(permission)]),
    ),
    mappings: new Map(Object.entries(object(mappings)).map(([ghost, names]) => [ghost, list(names).map(text)])),
  };
}

/** Sorted as RFC 8785 wants it: by UTF-16 code units, which is what JavaScript compares by. */
function members<T>(map: ReadonlyMap<string, T>, value: (of: T) => string): string {
  const sorted = [...map.keys()].sort();
  return `{${sorted.map((key) => `${JSON.stringify(key)}:${value(map.get(key)!)}`).join()}}`;
}

function canonicalPermission({ effect, action, resource }: Permission): string {
  return JSON.stringify(effect === 'deny' ? { action, effect, resource } : { action, resource });
}

function permission(json: unknown): Permission {
  const { effect = 'allow', action, resource } = object(json);
  if (effect !== 'allow' && effect !== 'deny') throw notOne();
  return { effect, action: text(action), resource: text(resource) };
}

function object(json: unknown): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw notOne();
  return json as Record<string, unknown>;
}

function list(json: unknown): unknown[] {
  if (!Array.isArray(json)) throw notOne();
  return json;
}

function text(json: unknown): string {
  if (typeof json !== 'string') throw notOne();
  return json;
}

function notOne(): PolicyError {
  return new PolicyError('this is not the canonical form of a policy');
}
