import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { SplitError } from '#decomposition';

export interface Asking {
  /** `--yes` was given. */
  yes: boolean;
  input: NodeJS.ReadStream;
  output: NodeJS.WritableStream;
  signal: AbortSignal;
}

/**
 * Lets somebody type the service's name before what cannot simply be undone.
 *
 * @throws SplitError `refused` where nobody can be asked, or another name was typed; `interrupted`
 */
export async function confirm(service: string, what: string, { yes, input, output, signal }: Asking): Promise<void> {
  if (yes) return;
  if (!input.isTTY) throw new SplitError('refused', `${what} Nobody confirmed that.`, 'Give --yes to confirm it.');
  const lines = createInterface({ input, output, signal });
  try {
    output.write(`${what}\nType the name of the service (${service}) to go on: `);
    const closed = once(lines, 'close').then(() => ['']);
    const [typed] = (await Promise.race([once(lines, 'line'), closed])) as string[];
    if (signal.aborted) throw new SplitError('interrupted', 'Told to stop. Nothing was begun.');
    if (typed?.trim() !== service) throw new SplitError('refused', `That was not ${service}. Nothing was begun.`);
  } finally {
    lines.close();
  }
}
