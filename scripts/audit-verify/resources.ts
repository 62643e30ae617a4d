import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { errorMessage } from '#errors';

/** Where the resources of one log are, as C2SP tlog-tiles names them: `checkpoint`, `tile/0/000`. */
export interface Resources {
  /**
   * undefined when there is no such resource.
   *
   * @throws Error when that cannot be told, or it is larger than that many bytes
   */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
}

export class FolderResources implements Resources {
  constructor(private readonly folder: string) {}

  async read(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const file = join(this.folder, path);
    try {
      if ((await stat(file)).size > maxBytes) throw new Error(`${file} has more than ${maxBytes} bytes`);
      return await readFile(file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  }
}

const TIMEOUT_MS = 15_000;
const ATTEMPTS = 4;
const PAUSE_MS = 500;
const MAX_PROBLEM_BYTES = 100_000;
/** The gatekeeper's codes: an event is gone, which may be right; and it does not know its own log any more. */
const DROPPED = 'bundle_dropped';
const DAMAGED = 'log_damaged';
const DROPPED_ADVICE =
  'events are not in the trail any more; whether they were dropped under a seal can be told of the database, or of an export';
const AGAIN = new Set([408, 429, 500, 502, 503, 504]);

/** By HTTP, with a token where one is given. What fails for a moment is asked for again. */
export class HttpResources implements Resources {
  /** @param base with a slash at its end */
  constructor(
    private readonly base: string,
    private readonly token?: string | undefined,
  ) {}

  async read(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const url = `${this.base}${path}`;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.get(url, maxBytes).catch((error: unknown) => ({ failure: errorMessage(error) }));
      if ('bytes' in answer) return answer.bytes;
      if ('refused' in answer) throw new Error(`${url}: ${answer.refused}`);
      if (attempt === ATTEMPTS) throw new Error(`${url}: ${answer.failure}`);
      await sleep(PAUSE_MS * 2 ** (attempt - 1));
    }
  }

  private async get(
    url: string,
    maxBytes: number,
  ): Promise<{ bytes: Buffer | undefined } | { failure: string } | { refused: string }> {
    const response = await fetch(url, {
      headers: this.token ? { authorization: `Bearer ${this.token}` } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok) return { bytes: await bodyOf(response, maxBytes) };
    const { code, detail } = await problemOf(response);
    const words = detail === undefined ? `answers ${response.status}` : `answers ${response.status}: ${detail}`;
    if (code === DROPPED) return { refused: DROPPED_ADVICE };
    if (response.status === 404) return { bytes: undefined };
    if (AGAIN.has(response.status) && code !== DAMAGED) return { failure: words };
    return { refused: refusal(response.status) ?? words };
  }
}

function refusal(status: number): string | undefined {
  if (status === 401) return 'wants a token: set GRAVITAS_TOKEN (npm run token)';
  if (status === 403)
    return 'the token in GRAVITAS_TOKEN may not read this log: it takes `read` on `audit/events`, and the tenant';
  return undefined;
}

const problem = z.object({ code: z.string().optional(), detail: z.string().optional() });

/** What the answer says of itself, if it is of the gatekeeper (RFC 9457). */
async function problemOf(response: Response): Promise<z.output<typeof problem>> {
  try {
    const body = await bodyOf(response, MAX_PROBLEM_BYTES);
    return problem.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return {};
  }
}

async function bodyOf(response: Response, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > maxBytes) throw new Error(`has more than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
