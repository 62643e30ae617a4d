import { parentPort, workerData } from 'node:worker_threads';
import { canonicalPolicy } from './canonical.js';
import { type WorkerAnswer } from './compile-policy.js';
import { PolicyError } from './policy-error.js';
import { readPolicy } from './read-policy.js';

/** A thread's whole life: a policy file comes in, canonical JSON or what is wrong goes out. */
function answer(yaml: string): WorkerAnswer {
  try {
    return { canonical: canonicalPolicy(readPolicy(yaml)) };
  } catch (error) {
    if (error instanceof PolicyError) return { problem: error.message, place: error.place };
    throw error;
  }
}

parentPort?.postMessage(answer(workerData as string));
