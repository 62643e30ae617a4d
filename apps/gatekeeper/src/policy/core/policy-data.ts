export type Effect = 'allow' | 'deny';

export interface Permission {
  effect: Effect;
  action: string;
  resource: string;
}

/** What a policy file says. Maps, so that any text can be a name; their order does not count. */
export interface PolicyData {
  groups: ReadonlyMap<string, readonly Permission[]>;
  /** Groups by ghost, in the order in which they are asked. */
  mappings: ReadonlyMap<string, readonly string[]>;
}

/** What a policy may hold at most. */
export const POLICY_LIMITS = {
  bytes: 16 * 1024 ** 2,
  rules: 200_000,
  groups: 10_000,
  ghosts: 200_000,
  groupsOfGhost: 100,
  aliases: 100,
} as const;
