import { randomUUIDv7 } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type ChatCompletion, type ChatRequest } from '#contracts';
import { messageText } from './message-text.js';
import { streamChunk, type ChatChunk, type ChatProvider } from './provider.js';

/** How many words go out before other requests get a turn. */
const WORDS_PER_TURN = 64;

/**
 * The built-in model: answers with the last user message, word by word when streamed, and needs no key.
 * Each piece of a stream is a word with the white space after it; put together they are the text, exactly.
 * Tokens are counted as words (runs of anything but white space): of all messages going in, of the answer coming out.
 */
export class EchoProvider implements ChatProvider {
  readonly name = 'builtin';
  readonly configured = true;
  readonly setting = '';

  /** @param delayMs pause after each word of a stream */
  constructor(private readonly delayMs = 0) {}

  async complete(request: ChatRequest): Promise<ChatCompletion> {
    const content = answerOf(request);
    return {
      ...head(request.model, 'chat.completion'),
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: usageOf(request, content),
    };
  }

  async *stream(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk> {
    const start = head(request.model, 'chat.completion.chunk');
    const delta = (content: object, finish: string | null = null) =>
      chunk({ ...start, choices: [{ index: 0, delta: content, finish_reason: finish }] });
    const answer = answerOf(request);
    yield delta({ role: 'assistant', content: '' });
    let sent = 0;
    for (const word of words(answer)) {
      yield delta({ content: word });
      if (this.delayMs > 0) await sleep(this.delayMs, undefined, { signal });
      else if (++sent % WORDS_PER_TURN === 0) await nextTurn();
      signal.throwIfAborted();
    }
    yield delta({}, 'stop');
    if (request.stream_options?.include_usage) yield chunk({ ...start, choices: [], usage: usageOf(request, answer) });
  }

  async close(): Promise<void> {}
}

function answerOf({ messages }: ChatRequest): string {
  const last = messages.findLast((message) => message.role === 'user');
  return last ? messageText(last) : '';
}

/** White space at the very beginning is a piece of its own. */
function words(text: string): string[] {
  return text.match(/^\s+|\S+\s*/g) ?? [];
}

function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

function usageOf({ messages }: ChatRequest, answer: string) {
  const prompt = messages.reduce((sum, message) => sum + countWords(messageText(message)), 0);
  const completion = countWords(answer);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

function head<O extends string>(model: string, object: O) {
  return { id: `chatcmpl-${randomUUIDv7()}`, object, created: Math.floor(Date.now() / 1000), model };
}

function chunk(content: object): ChatChunk {
  return { data: JSON.stringify(content), content: streamChunk.parse(content) };
}
