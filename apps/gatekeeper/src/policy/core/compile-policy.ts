import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { errorMessage } from '#errors';
import { POLICY_LIMITS } from './policy-data.js';
import { PolicyError, type Place } from './policy-error.js';
import { Policy } from './policy.js';
import { readPolicy } from './read-policy.js';

/** What the worker answers. */
export type WorkerAnswer = { canonical: string } | { problem: string; place: Place | undefined };

/** Files up to this size take a few milliseconds; larger ones must not hold up the decisions meanwhile. */
const INLINE_BYTES = 8 * 1024;
const TIMEOUT_MS = 60_000;
const MAX_HEAP_MB = 2048;

/**
 * Compiles a policy file. YAML takes 50 µs a rule and a hundred bytes of memory for each of its own, so that of a large file a thread
 * of its own makes canonical JSON first.
 *
 * @throws PolicyError with line, column and reason
 */
export async function compilePolicy(file: Uint8Array): Promise<Policy> {
  if (file.length > POLICY_LIMITS.bytes)
    throw new PolicyError(`it has ${file.length} bytes; at most ${POLICY_LIMITS.bytes} are taken`);
  const yaml = decode(file);
  if (file.length <= INLINE_BYTES) return Policy.of(readPolicy(yaml));
  return Policy.ofLarge(await canonicalByWorker(yaml));
}

function decode(file: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(file);
  } catch (error) {
    throw new PolicyError('it is not UTF-8', undefined, { cause: error });
  }
}

async function canonicalByWorker(yaml: string): Promise<string> {
  const worker = new Worker(compiled('policy-worker.js'), {
    workerData: yaml,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    execArgv: [],
  });
  try {
    // `once` rejects on `error`: out of memory is one.
    const [answer] = (await once(worker, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })) as [WorkerAnswer];
    if ('problem' in answer) throw new PolicyError(answer.problem, answer.place);
    return answer.canonical;
  } catch (error) {
    if (error instanceof PolicyError) throw error;
    const late = (error as Error).name === 'AbortError';
    const reason = late
      ? `reading it takes more than ${TIMEOUT_MS / 1000} s`
      : `it cannot be read: ${errorMessage(error)}`;
    throw new PolicyError(reason, undefined, { cause: error });
  } finally {
    await worker.terminate();
  }
}

/** A thread runs what is compiled, also where this file was not. */
function compiled(file: string): URL {
  const here = import.meta.url;
  if (!here.endsWith('.ts')) return new URL(file, here);
  return new URL(`../../../../../dist/apps/gatekeeper/src/policy/core/${file}`, here);
}
