import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type PolicySource } from './policy-source.js';

export interface SourceWatchOptions {
  source: PolicySource;
  /** Whether this state of the file was dealt with, whatever came of it. */
  isKnown: (signature: string) => boolean;
  /** Deals with the file as it is now. Must not throw; called once at a time. */
  onChange: () => Promise<void>;
  /** How long the file must have stayed as it is: who writes it in place is given time to finish. Milliseconds. */
  settleMs?: number;
  /** Looked at so often, whether or not the file system tells of a change. Milliseconds. */
  everyMs?: number;
}

const SETTLE_MS = 150;
const EVERY_MS = 5000;

/**
 * Sees when a file is another one. What is watched is its directory: an editor puts a new file in place of the old one, and Kubernetes
 * swaps a symbolic link beside it, of which a watch on the file itself sees nothing or only the first. What happens in the directory is
 * only a hint; whether the file changed its signature says. Where nobody gives hints (network file systems, a link into another
 * directory) the regular look finds it.
 */
export class SourceWatch {
  private watcher: FSWatcher | undefined;
  private watched: string | undefined;
  private candidate: string | undefined;
  private soon: NodeJS.Timeout | undefined;
  private regular: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  /** A hint came while the last one was followed. */
  private again = false;
  private closed = false;

  constructor(private readonly options: SourceWatchOptions) {}

  async start(): Promise<void> {
    await this.watchDirectory();
    if (this.closed) return;
    this.regular = setInterval(() => {
      this.watchDirectory().catch(() => undefined);
      this.hint();
    }, this.options.everyMs ?? EVERY_MS);
    this.regular.unref();
    // Between the first reading and now nobody watched.
    this.hint();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.regular);
    clearTimeout(this.soon);
    this.watcher?.close();
    await this.running;
  }

  /** Not put off by further hints, so that a busy directory cannot keep it from looking. */
  private hint(): void {
    if (this.closed) return;
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      if (this.running) this.again = true;
      else this.running = this.look().finally(() => this.ended());
    }, this.options.settleMs ?? SETTLE_MS).unref();
  }

  private async look(): Promise<void> {
    const { source, isKnown, onChange } = this.options;
    const signature = await source.signature();
    if (this.closed || isKnown(signature)) {
      this.candidate = undefined;
      return;
    }
    const settled = signature === this.candidate;
    this.candidate = settled ? undefined : signature;
    if (settled) await onChange();
    else this.hint();
  }

  private ended(): void {
    this.running = undefined;
    if (this.again) this.hint();
    this.again = false;
  }

  /** Again when it is another directory by now, or when the watch broke. */
  private async watchDirectory(): Promise<void> {
    const directory = dirname(this.options.source.path);
    const identity = await stat(directory).then(
      ({ dev, ino }) => `${dev}:${ino}`,
      () => undefined,
    );
    if (this.closed || (this.watcher && identity === this.watched)) return;
    this.unwatch();
    if (identity === undefined) return;
    try {
      this.watcher = watch(directory, { persistent: false }, () => this.hint());
      this.watcher.on('error', () => this.unwatch());
      this.watched = identity;
    } catch {
      // No watches left, or none on this file system: the regular look remains.
      this.unwatch();
    }
  }

  private unwatch(): void {
    this.watcher?.close();
    this.watcher = undefined;
    this.watched = undefined;
  }
}
