import { ServiceHarness, startBesideGatekeeper, type TestDatabase } from '#testing';
import { telemetry } from '../src/app.module.js';

/** The service with a gatekeeper beside it, and somebody to call it. */
export class Harness extends ServiceHarness {
  static async start(environment: Record<string, string> = {}, database?: TestDatabase): Promise<Harness> {
    const options = { environment, ...(database && { database }) };
    return new Harness('telemetry', await startBesideGatekeeper('telemetry', telemetry, options));
  }
}
