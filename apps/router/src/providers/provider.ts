import { z } from 'zod';
import { type ChatCompletion, type ChatRequest } from '#contracts';

/** A `chat.completion.chunk`, as far as we read it. */
export const streamChunk = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        delta: z.looseObject({ content: z.unknown().optional() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .default([]),
  usage: z.unknown().optional(),
  error: z.unknown().optional(),
});
export type StreamChunk = z.output<typeof streamChunk>;

/** One event of a streamed answer: its text as it came, and what it says. */
export interface ChatChunk {
  data: string;
  content: StreamChunk;
}

/**
 * Something that answers chat completions in OpenAI's form. Before it has begun to answer, failures are ServiceErrors that may be
 * shown to the caller; kinds `upstream` and `rate_limited` may be mended by another provider, `invalid` will not.
 */
export interface ChatProvider {
  readonly name: string;
  readonly configured: boolean;
  /** The variable that configures it. */
  readonly setting: string;

  /** @throws ServiceError; the signal's reason when it is aborted */
  complete(request: ChatRequest, signal: AbortSignal): Promise<ChatCompletion>;

  /**
   * The events of a streamed answer, as they come and without the closing `[DONE]`. Ends only when the answer is complete.
   *
   * @throws ServiceError, also in mid-stream; the signal's reason when it is aborted
   */
  stream(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk>;

  close(): Promise<void>;
}
