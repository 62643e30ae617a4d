import { once } from 'node:events';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type Response } from 'express';
import { type Dispatcher } from 'undici';
import { settleWithin } from '#batching';
import { RouterClient } from '#clients';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { CONFIG, type LobbyConfig } from '../config.js';
import { HistoryKeeper, type Question } from '../history/history-keeper.js';
import { limitedBody } from '../limited-body.js';
import { answerOf, StreamedAnswer } from './answer.js';

/** A client that takes nothing for this long is gone. */
const DRAIN_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** What of the router's headers concerns the client. */
const PASSED_ON = /^(content-type|retry-after|www-authenticate|x-session-id|x-gravitas-.*)$/;

export interface Chat {
  agentToken: string;
  /** As it came: the router gets what the client sent. */
  body: unknown;
  question: Question;
}

/**
 * Passes a chat completion on to the router, and its answer back as it comes: status, errors, streams. Keeps history beside it,
 * before the end of the answer is sent. A client that goes away takes the router's call with it.
 */
@Injectable()
export class ChatRelay implements OnApplicationShutdown {
  private readonly running = new Set<Promise<void>>();

  constructor(
    @Inject(CONFIG) private readonly config: LobbyConfig,
    private readonly router: RouterClient,
    private readonly history: HistoryKeeper,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws ServiceError unavailable when the router does not answer, upstream when its answer breaks off before it is sent */
  async relay(chat: Chat, response: Response): Promise<void> {
    const run = this.run(chat, response);
    const ended = run.catch(() => undefined).finally(() => this.running.delete(ended));
    this.running.add(ended);
    return run;
  }

  /** Connections are closed; answers that were cut off by that still have to be kept, before the database's connections go. */
  async onApplicationShutdown(): Promise<void> {
    const rest = Promise.all(this.running).then(() => this.history.settle());
    await settleWithin(rest, this.config.service.shutdown.buffersMs);
  }

  private async run(chat: Chat, response: Response): Promise<void> {
    const gone = new AbortController();
    const onClose = (): void => {
      if (!response.writableFinished) gone.abort();
    };
    if (response.closed) return;
    response.once('close', onClose);
    try {
      const answer = await this.router.chat(chat.agentToken, chat.body, chat.question.requestId, gone.signal);
      copyHead(answer, response);
      const question = { ...chat.question, sessionId: sessionOf(answer) };
      if (answer.statusCode >= 400) await this.passError(answer, response);
      else if (isStream(answer)) await this.passStream(answer, question, response, gone.signal);
      else await this.passWhole(answer, question, response);
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    } finally {
      response.off('close', onClose);
    }
  }

  private async passError(answer: Dispatcher.ResponseData, response: Response): Promise<void> {
    response.end(await this.read(answer));
  }

  private async passWhole(answer: Dispatcher.ResponseData, question: Question, response: Response): Promise<void> {
    const body = await this.read(answer).catch(async (error: unknown) => {
      await this.history.keep(question, { text: '', model: null, status: 'partial' });
      throw error;
    });
    const { text, model } = answerOf(body.toString()) ?? { text: '', model: null };
    await this.history.keep(question, { text, model, status: 'complete' });
    response.end(body);
  }

  private async passStream(
    answer: Dispatcher.ResponseData,
    question: Question,
    response: Response,
    gone: AbortSignal,
  ): Promise<void> {
    const read = new StreamedAnswer();
    let kept = false;
    const keep = async (): Promise<void> => {
      if (kept) return;
      kept = true;
      const status = read.done ? 'complete' : 'partial';
      await this.history.keep(question, { text: read.text, model: read.model, status });
    };
    response.set({ 'cache-control': 'no-cache', 'x-accel-buffering': 'no' }).flushHeaders();
    try {
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        read.feed(chunk);
        if (read.done) await keep();
        if (!response.write(chunk))
          await once(response, 'drain', { signal: AbortSignal.any([gone, AbortSignal.timeout(DRAIN_TIMEOUT_MS)]) });
      }
      await keep();
      response.end();
    } catch (error) {
      await keep();
      if (!gone.aborted)
        this.logger.warn({ err: error, request_id: question.requestId }, 'a streamed answer broke off');
      // Without a proper end, so that the client knows that something is missing.
      response.destroy();
    }
  }

  /** Errors before anything is sent can still be told. */
  private async read(answer: Dispatcher.ResponseData): Promise<Buffer> {
    try {
      return await limitedBody(answer.body, MAX_ANSWER_BYTES);
    } catch (error) {
      throw new ServiceError('upstream', 'router_answer_broken', "The router's answer broke off", { cause: error });
    }
  }
}

function copyHead({ statusCode, headers }: Dispatcher.ResponseData, response: Response): void {
  response.status(statusCode);
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && PASSED_ON.test(name)) response.setHeader(name, value);
}

function isStream({ headers }: Dispatcher.ResponseData): boolean {
  return String(headers['content-type']).startsWith('text/event-stream');
}

function sessionOf({ headers }: Dispatcher.ResponseData): string | null {
  const session = headers['x-session-id'];
  return typeof session === 'string' ? session.slice(0, 200) : null;
}
