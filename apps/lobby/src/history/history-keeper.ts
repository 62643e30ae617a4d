import { randomUUIDv7 } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { type Counter } from 'prom-client';
import { settleWithin } from '#batching';
import { type HistoryMessage } from '#contracts';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type LobbyConfig } from '../config.js';
import { type HistoryEntry } from './history.entity.js';
import { HistoryRepository } from './history.repository.js';
import { keptText } from './kept-text.js';

/** What is asked: by whom, when, and in which words. */
export interface Question {
  tenantId: string;
  ghostId: string;
  requestId: string;
  sessionId: string | null;
  askedAt: Date;
  /** Undefined when the user said nothing. */
  text: string | undefined;
}

export interface Answer {
  text: string;
  model: string | null;
  status: HistoryMessage['status'];
}

/** Writes that are under way at once; with a database that hangs, more would only fill the memory. */
const MAX_PENDING = 1000;

/**
 * Keeps what was said. The answer waits for it, so that who reads the history afterwards finds it, but a bounded time, and is given
 * whatever becomes of it: history that is lost is logged and counted.
 */
@Injectable()
export class HistoryKeeper {
  private readonly pending = new Set<Promise<void>>();
  private readonly lost: Counter;

  constructor(
    @Inject(CONFIG) private readonly config: LobbyConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly history: HistoryRepository,
    metrics: Metrics,
  ) {
    this.lost = metrics.counter('lobby_history_lost_total', 'Messages that could not be kept');
    metrics.gauge('lobby_history_pending', 'Writes of history under way', () => this.pending.size);
  }

  /** Never throws. */
  async keep(question: Question, answer: Answer): Promise<void> {
    const entries = entriesOf(question, answer, new Date());
    if (this.pending.size >= MAX_PENDING)
      return this.giveUp(entries, question, new Error(`${MAX_PENDING} writes are already under way`));
    const write = this.history
      .add(entries)
      .catch((error: unknown) => this.giveUp(entries, question, error))
      .finally(() => this.pending.delete(write));
    this.pending.add(write);
    await settleWithin(write, this.config.historyTimeoutMs);
  }

  /** Resolves when every write under way has ended, one way or the other. */
  async settle(): Promise<void> {
    await Promise.all(this.pending);
  }

  private giveUp(entries: readonly HistoryEntry[], { ghostId, requestId }: Question, reason: unknown): void {
    this.lost.inc(entries.length);
    this.logger.error(
      { err: reason, request_id: requestId, ghost_id: ghostId, messages: entries.length },
      'history is lost: it could not be written',
    );
  }
}

function entriesOf(question: Question, answer: Answer, now: Date): HistoryEntry[] {
  const { tenantId, ghostId, requestId, sessionId, askedAt } = question;
  // Sorted, so that a question and its answer of the same millisecond stay in order.
  const [first, second] = [randomUUIDv7(), randomUUIDv7()].sort() as [string, string];
  const common = { tenantId, ghostId, requestId, sessionId };
  const said: HistoryEntry = {
    ...common,
    ...keptText(answer.text),
    id: second,
    role: 'assistant',
    model: answer.model,
    status: answer.status,
    createdAt: now,
  };
  if (question.text === undefined) return [said];
  return [
    {
      ...common,
      ...keptText(question.text),
      id: first,
      role: 'user',
      model: null,
      status: 'complete',
      createdAt: askedAt,
    },
    said,
  ];
}
