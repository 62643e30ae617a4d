import { createParser, type EventSourceParser } from 'eventsource-parser';
import { z } from 'zod';
import { MAX_CONTENT_BYTES, textOf } from '../history/kept-text.js';

const chunk = z.object({
  model: z.string().optional().catch(undefined),
  choices: z
    .array(z.object({ index: z.number().optional(), delta: z.object({ content: z.unknown() }).partial().nullish() }))
    .catch([]),
});

const completion = z.object({
  model: z.string().nullable().catch(null),
  choices: z.array(z.object({ message: z.object({ content: z.unknown() }) })).min(1),
});

/** An event of a stream beyond this is no chat completion; reading ends there, passing on does not. */
const MAX_EVENT_CHARACTERS = 1024 * 1024;
const DONE = '[DONE]';

/** Reads the answer out of a stream that passes by: the first choice's text, the model, and whether `[DONE]` has come. */
export class StreamedAnswer {
  model: string | null = null;
  done = false;
  private readonly decoder = new TextDecoder();
  private readonly parser: EventSourceParser;
  private readonly parts: string[] = [];
  private length = 0;
  private readable = true;

  constructor() {
    this.parser = createParser({
      onEvent: ({ data }) => this.event(data),
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') this.readable = false;
      },
      maxBufferSize: MAX_EVENT_CHARACTERS,
    });
  }

  get text(): string {
    return this.parts.join('');
  }

  feed(bytes: Uint8Array): void {
    // A parser that has given up throws when it is fed.
    if (this.readable) this.parser.feed(this.decoder.decode(bytes, { stream: true }));
  }

  private event(data: string): void {
    if (data === DONE) {
      this.done = true;
      return;
    }
    const parsed = chunk.safeParse(parseJson(data));
    if (!parsed.success) return;
    this.model ??= parsed.data.model ?? null;
    for (const { index, delta } of parsed.data.choices) if ((index ?? 0) === 0) this.append(textOf(delta?.content));
  }

  /** Somewhat more than is kept is enough to know that it is cut. */
  private append(text: string): void {
    if (text === '' || this.length > MAX_CONTENT_BYTES) return;
    this.parts.push(text);
    this.length += text.length;
  }
}

/** The answer in a complete body; undefined when that is no chat completion. */
export function answerOf(body: string): { text: string; model: string | null } | undefined {
  const parsed = completion.safeParse(parseJson(body));
  if (!parsed.success) return undefined;
  return { text: textOf(parsed.data.choices[0]!.message.content), model: parsed.data.model };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
