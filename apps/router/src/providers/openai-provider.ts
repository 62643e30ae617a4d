import { Agent, request as httpRequest, type Dispatcher } from 'undici';
import { chatCompletion, type ChatCompletion, type ChatRequest } from '#contracts';
import { type RemoteProviderConfig } from '../config.js';
import { Deadline } from './deadline.js';
import { streamChunk, type ChatChunk, type ChatProvider } from './provider.js';
import { sseData } from './sse-data.js';
import { failureOf, refusalOf, saidIn, upstreamError, withoutSecrets } from './upstream-failure.js';

export interface OpenAiProviderOptions {
  /** Milliseconds until an answer must have begun. */
  timeoutMs: number;
  /** Milliseconds that an answer may pause. */
  idleMs: number;
}

const CONNECT_TIMEOUT_MS = 5000;
const CONNECTIONS = 256;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const DONE = '[DONE]';
/** After `[DONE]` the connection is kept only if the provider ends its answer at once. */
const AFTER_DONE = { limit: 64 * 1024, timeoutMs: 1000 };

/** Any provider that speaks OpenAI's chat completions over HTTP. */
export class OpenAiProvider implements ChatProvider {
  private readonly agent: Agent;

  constructor(
    private readonly provider: RemoteProviderConfig,
    private readonly options: OpenAiProviderOptions,
  ) {
    this.agent = new Agent({
      connect: { timeout: CONNECT_TIMEOUT_MS },
      connections: CONNECTIONS,
      bodyTimeout: options.idleMs,
      // The deadline of each call is finer.
      headersTimeout: 0,
      maxResponseSize: MAX_ANSWER_BYTES,
    });
  }

  get name(): string {
    return this.provider.name;
  }

  get configured(): boolean {
    return this.provider.configured;
  }

  get setting(): string {
    return this.provider.setting;
  }

  async complete(request: ChatRequest, signal: AbortSignal): Promise<ChatCompletion> {
    const deadline = new Deadline(this.options.timeoutMs);
    try {
      const { body } = await this.post(request, AbortSignal.any([signal, deadline.signal]));
      deadline.met();
      const parsed = chatCompletion.safeParse(parseJson(await body.text()));
      if (!parsed.success) throw upstreamError(this.provider, 'its answer is not a chat completion', parsed.error);
      return parsed.data;
    } catch (error) {
      throw this.failure(error, signal, deadline);
    } finally {
      deadline.met();
    }
  }

  async *stream(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk> {
    const deadline = new Deadline(this.options.timeoutMs);
    let body: Dispatcher.ResponseData['body'] | undefined;
    try {
      ({ body } = await this.post(request, AbortSignal.any([signal, deadline.signal])));
      let finished = false;
      for await (const data of sseData(body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>)) {
        deadline.met();
        if (data === DONE) {
          release(body);
          body = undefined;
          return;
        }
        const chunk = this.read(data);
        finished ||= chunk.content.choices.some((choice) => choice.finish_reason != null);
        yield chunk;
      }
      if (!finished) throw upstreamError(this.provider, 'its answer ended before it was complete');
    } catch (error) {
      throw this.failure(error, signal, deadline);
    } finally {
      deadline.met();
      body?.on('error', () => undefined).destroy();
    }
  }

  close(): Promise<void> {
    return this.agent.destroy();
  }

  /** @throws ServiceError for any status but 2xx */
  private async post(request: ChatRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { baseUrl, apiKey } = this.provider;
    const response = await httpRequest(`${baseUrl}/chat/completions`, {
      method: 'POST',
      dispatcher: this.agent,
      headers: { 'content-type': 'application/json', ...(apiKey && { authorization: `Bearer ${apiKey}` }) },
      body: JSON.stringify(request),
      signal,
    });
    if (response.statusCode >= 200 && response.statusCode < 300) return response;
    const text = await response.body.text();
    throw refusalOf(this.provider, response.statusCode, response.headers, text);
  }

  private read(data: string): ChatChunk {
    const parsed = streamChunk.safeParse(parseJson(data));
    if (!parsed.success) throw upstreamError(this.provider, 'its stream holds an event that is no chunk', parsed.error);
    if (parsed.data.error != null) {
      const { message } = saidIn(data);
      throw upstreamError(this.provider, withoutSecrets(message ?? 'it broke off its answer', this.provider));
    }
    return { data, content: parsed.data };
  }

  private failure(error: unknown, signal: AbortSignal, deadline: Deadline): unknown {
    if (signal.aborted) return signal.reason;
    if (deadline.passed)
      return upstreamError(this.provider, `it did not begin to answer within ${this.options.timeoutMs} ms`, error);
    return failureOf(this.provider, error);
  }
}

/** Lets the connection serve the next call, where the provider has no more to say. */
function release(body: Dispatcher.ResponseData['body']): void {
  const { limit, timeoutMs } = AFTER_DONE;
  body.dump({ limit, signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
