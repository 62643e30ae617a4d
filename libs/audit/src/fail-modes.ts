import { type FailMode, type FailRule } from '#config';

/**
 * What happens to an action that cannot be recorded. The most exact rule decides: the action itself before the longest prefix, that
 * before `*`, and that before the fallback. As in a policy, `prefix/*` (and `prefix.*`) is for what lies below the prefix only.
 */
export class FailModes {
  /** Whether there is any action that must not go on unrecorded. */
  readonly anyClosed: boolean;
  private readonly exact = new Map<string, FailMode>();
  /** The longest first. */
  private readonly below: { prefix: string; mode: FailMode }[] = [];
  private readonly fallback: FailMode;

  constructor(fallback: FailMode, rules: readonly FailRule[] = []) {
    for (const { pattern, mode } of rules) {
      if (/[./]\*$/.test(pattern)) this.below.push({ prefix: pattern.slice(0, -1), mode });
      else this.exact.set(pattern, mode);
    }
    this.below.sort((a, b) => b.prefix.length - a.prefix.length);
    this.fallback = this.exact.get('*') ?? fallback;
    this.exact.delete('*');
    const modes = [this.fallback, ...this.exact.values(), ...this.below.map(({ mode }) => mode)];
    this.anyClosed = modes.includes('closed');
  }

  of(action: string): FailMode {
    const lies = ({ prefix }: { prefix: string }) => action.length > prefix.length && action.startsWith(prefix);
    return this.exact.get(action) ?? this.below.find(lies)?.mode ?? this.fallback;
  }
}
