import { createParser } from 'eventsource-parser';

/** No single event may be larger; a provider that sends one is broken. */
const MAX_EVENT_CHARACTERS = 8 * 1024 * 1024;

/**
 * The data of each server-sent event in a stream of bytes, as they come.
 *
 * @throws Error when one event is too large
 */
export async function* sseData(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let ready: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => ready.push(data), maxBufferSize: MAX_EVENT_CHARACTERS });
  for await (const piece of bytes) {
    parser.feed(decoder.decode(piece, { stream: true }));
    const events = ready;
    ready = [];
    yield* events;
  }
}
