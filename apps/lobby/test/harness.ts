import OpenAI from 'openai';
import { type HistoryPage } from '#contracts';
import { agentToken, ServiceHarness, startBesideGatekeeper, type Caller, type Pair, type TestDatabase } from '#testing';
import { lobby } from '../src/app.module.js';
import { StandInRouter } from './stand-in-router.js';

/** The lobby with a gatekeeper and a router beside it, and somebody to call it. */
export class Harness extends ServiceHarness {
  private constructor(
    pair: Pair,
    readonly router: StandInRouter,
  ) {
    super('lobby', pair);
  }

  static async start(environment: Record<string, string> = {}, database?: TestDatabase): Promise<Harness> {
    const router = await new StandInRouter().listen();
    // Answers wait for the history that the tests read next, also while the database stands still.
    const settings = { ROUTER_URL: router.url, LOBBY_HISTORY_TIMEOUT_MS: '20000', ...environment };
    const options = { environment: settings, ...(database && { database }) };
    return new Harness(await startBesideGatekeeper('lobby', lobby, options), router);
  }

  async history(caller: Caller, query = ''): Promise<HistoryPage> {
    return (await this.get(caller, `/v1/history${query}`)).body as HistoryPage;
  }

  /** OpenAI's own client, pointed at the lobby. */
  async openai(caller: 'Scout' | 'Supervisor' = 'Scout'): Promise<OpenAI> {
    return new OpenAI({ baseURL: `${this.service.url}/v1`, apiKey: await agentToken(caller), maxRetries: 0 });
  }

  /** A streamed completion as it comes over the wire. */
  async stream(model: string, signal: AbortSignal | null = null): Promise<globalThis.Response> {
    return fetch(`${this.service.url}/v1/chat/completions`, {
      method: 'POST',
      signal,
      headers: await this.authorization('Scout'),
      body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'go' }] }),
    });
  }

  override async close(): Promise<void> {
    await super.close();
    await this.router.close();
  }
}
