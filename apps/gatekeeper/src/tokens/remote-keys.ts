import { Agent, request } from 'undici';
import { errorMessage, ServiceError } from '#errors';
import { type Logger } from '#logging';
import { type Clock } from './clock.js';
import { KeySet, type AsymmetricAlgorithm } from './key-set.js';

const MAX_BYTES = 256 * 1024;
const TIMEOUT_MS = 5000;
const FRESH_MS = 10 * 60_000;
const COOLDOWN_MS = 30_000;

export interface RemoteKeysOptions {
  url: string;
  clock: Clock;
  logger: Logger;
  /** Told when other keys than before are in force. */
  onChange: () => void;
  onFetch: (result: 'ok' | 'failed') => void;
}

/**
 * The identity provider's published keys (RFC 7517), fetched from the configured URL and from nowhere else.
 *
 * A fetch begins at the start, when the keys are older than 10 minutes, and for a key that is not there; never while another one is under
 * way, and never within 30 seconds of the last one's beginning, whatever callers send. A set that is old is used until there is a newer
 * one, for as long as that takes. Nothing is followed: no redirect, no URL in a token.
 */
export class RemoteKeys {
  private set: KeySet | undefined;
  private loadedAt = 0;
  private attemptAt: number | undefined;
  private underWay: Promise<void> | undefined;
  private trouble: { since: number; problem: string } | undefined;
  private lastIgnored = '';
  private readonly stopped = new AbortController();
  private readonly agent = new Agent({
    connections: 1,
    connect: { timeout: TIMEOUT_MS },
    maxResponseSize: MAX_BYTES,
    keepAliveTimeout: 1000,
  });

  constructor(private readonly options: RemoteKeysOptions) {}

  get size(): number {
    return this.set?.size ?? 0;
  }

  /** Seconds since the keys in force were fetched; undefined before the first. */
  get age(): number | undefined {
    return this.set && elapsed(this.options.clock.now(), this.loadedAt) / 1000;
  }

  /** Since when fetching has failed (milliseconds since the epoch), and why; undefined while it works. */
  get failing(): { since: number; problem: string } | undefined {
    return this.trouble;
  }

  /** Begins to fetch where it is time to. Costs next to nothing where it is not. */
  refreshWhenStale(): void {
    const now = this.options.clock.now();
    const fresh = this.set && elapsed(now, this.loadedAt) < FRESH_MS;
    if (!fresh && this.mayFetch(now)) this.fetch(now).catch(() => undefined);
  }

  /**
   * @returns undefined when the provider has no such key
   * @throws ServiceError unavailable, code `identity_provider_unavailable`, when nobody can tell
   */
  async find(alg: AsymmetricAlgorithm, kid: string | undefined): Promise<CryptoKey | undefined> {
    this.refreshWhenStale();
    const known = this.set?.find(alg, kid);
    if (known) return known;
    const now = this.options.clock.now();
    if (this.mayFetch(now)) await this.fetch(now);
    else await this.underWay;
    const found = this.set?.find(alg, kid);
    if (found || (this.set && !this.trouble)) return found;
    throw new ServiceError('unavailable', 'identity_provider_unavailable', 'The identity provider does not answer', {
      cause: this.trouble && new Error(this.trouble.problem),
      retryAfter: COOLDOWN_MS / 1000,
    });
  }

  /** Ends a fetch that is under way, too. */
  async close(): Promise<void> {
    this.stopped.abort();
    await this.underWay;
    await this.agent.destroy();
  }

  private mayFetch(now: number): boolean {
    if (this.underWay || this.stopped.signal.aborted) return false;
    return this.attemptAt === undefined || elapsed(now, this.attemptAt) >= COOLDOWN_MS;
  }

  /** Never rejects. */
  private fetch(now: number): Promise<void> {
    this.attemptAt = now;
    this.underWay = this.load()
      .then(
        (set) => this.succeed(set, now),
        (error: unknown) => this.fail(error, now),
      )
      .finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  private async load(): Promise<KeySet> {
    const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.stopped.signal]);
    const { url } = this.options;
    const { statusCode, body } = await request(url, {
      dispatcher: this.agent,
      signal,
      headers: { accept: 'application/json, application/jwk-set+json' },
    });
    if (statusCode !== 200) {
      await body.dump({ limit: MAX_BYTES, signal });
      throw new Error(`it answers ${statusCode}`);
    }
    return KeySet.parse(await body.text());
  }

  private succeed(set: KeySet, now: number): void {
    const { logger, onChange, onFetch } = this.options;
    const before = this.set?.fingerprint;
    this.set = set;
    this.loadedAt = now;
    onFetch('ok');
    if (this.trouble) logger.info('the identity provider answers again');
    this.trouble = undefined;
    const ignored = set.ignored.join('\n');
    if (ignored && ignored !== this.lastIgnored)
      logger.warn({ ignored: set.ignored }, 'some keys of the identity provider are not used');
    this.lastIgnored = ignored;
    if (set.fingerprint === before) return;
    if (set.size === 0) logger.warn('the identity provider publishes no key that can be used: its tokens are refused');
    else logger.info({ keys: set.size }, "the identity provider's keys are in force");
    onChange();
  }

  private fail(error: unknown, now: number): void {
    if (this.stopped.signal.aborted) return;
    this.options.onFetch('failed');
    const problem = errorMessage(error);
    if (!this.trouble)
      this.options.logger.warn(
        { err: error, keys: this.size },
        this.set
          ? "the identity provider's keys cannot be fetched: those that are known stay in force"
          : "the identity provider's keys cannot be fetched: its tokens are answered with 503",
      );
    this.trouble = { since: this.trouble?.since ?? now, problem };
  }
}

/** A clock that was set back must not stop anything: then it is as if all the time had passed. */
function elapsed(now: number, since: number): number {
  return now >= since ? now - since : Infinity;
}
