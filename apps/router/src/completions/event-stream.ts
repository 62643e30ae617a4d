import { once } from 'node:events';
import { type Response } from 'express';
import { openAiError, toProblem } from '#http';

/** A client that takes nothing for so long counts as gone. */
const STALLED_MS = 60_000;

/**
 * Sends events as they come, at the pace at which the client takes them. A failure in mid-stream is told as OpenAI does it: an event
 * with `error`, and no `[DONE]`. Ends the iteration when the client is gone.
 *
 * @throws nothing of what happens in mid-stream, which is handed to `onFailure`
 */
export async function sendEvents(
  response: Response,
  events: AsyncGenerator<string>,
  { requestId, gone, onFailure }: { requestId: string; gone: AbortSignal; onFailure: (error: unknown) => void },
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  });
  try {
    for await (const data of events) {
      if (gone.aborted) break;
      // Data with line breaks takes a field for each line.
      if (!response.write(`data: ${data.replaceAll('\n', '\ndata: ')}\n\n`)) await drained(response, gone);
    }
  } catch (error) {
    if (gone.aborted) return;
    onFailure(error);
    response.write(`data: ${JSON.stringify(openAiError(toProblem(error, requestId)))}\n\n`);
  }
  response.end();
}

async function drained(response: Response, gone: AbortSignal): Promise<void> {
  try {
    await once(response, 'drain', { signal: AbortSignal.any([gone, AbortSignal.timeout(STALLED_MS)]) });
  } catch (error) {
    if (!response.closed) {
      response.destroy();
      await once(response, 'close');
    }
    throw error;
  }
}
