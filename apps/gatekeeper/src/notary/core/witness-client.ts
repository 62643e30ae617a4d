import { Pool, type Dispatcher } from 'undici';
import { decodeWitnessAnswer, type WitnessAnswer } from '#tlog';

const CONNECTIONS = 4;
/** More than any answer of a witness has. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Calls of one witness (C2SP tlog-witness). */
export class WitnessClient {
  private readonly pool: Pool;
  private readonly path: string;

  /** @param url `<url>/add-checkpoint` is called. @param timeoutMs until the answer must be complete */
  constructor(
    url: string,
    private readonly timeoutMs: number,
  ) {
    const { origin, pathname } = new URL(url);
    this.path = `${pathname.replace(/\/+$/, '')}/add-checkpoint`;
    this.pool = new Pool(origin, {
      connections: CONNECTIONS,
      connect: { timeout: timeoutMs },
      keepAliveTimeout: 10_000,
    });
  }

  /** @throws Error when there is no answer, TlogError when it is not one of a witness */
  async addCheckpoint(body: string, stopping: AbortSignal): Promise<WitnessAnswer> {
    const response = await this.pool.request({
      method: 'POST',
      path: this.path,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'user-agent': 'gravitas-gatekeeper' },
      body,
      signal: AbortSignal.any([AbortSignal.timeout(this.timeoutMs), stopping]),
    });
    const type = response.headers['content-type'];
    return decodeWitnessAnswer(response.statusCode, String(type ?? ''), await bounded(response.body));
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }
}

async function bounded(body: Dispatcher.ResponseData['body']): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`);
  }
  return Buffer.concat(pieces);
}
