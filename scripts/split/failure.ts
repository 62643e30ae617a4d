import { errorMessage } from '#errors';
import { SplitError, type SplitErrorCode } from '#decomposition';

export const DONE = 0;
export const FOUND = 1;
export const CANNOT = 2;
export const INTERRUPTED = 130;

const CODES: Record<SplitErrorCode, number> = {
  refused: FOUND,
  different: FOUND,
  busy: FOUND,
  not_created: FOUND,
  invalid_plan: CANNOT,
  unreachable: CANNOT,
  timeout: CANNOT,
  interrupted: INTERRUPTED,
};

export interface Failure {
  exitCode: number;
  /** Of a SplitError, or `failed`. */
  code: string;
  message: string;
  next?: string;
}

/** @param stopped the run was told to stop: whatever was thrown was thrown because of that */
export function failureOf(error: unknown, stopped: boolean): Failure {
  if (error instanceof SplitError) {
    const { code, message, next } = error;
    const exitCode = stopped && code === 'timeout' ? INTERRUPTED : CODES[code];
    return { exitCode, code, message, ...(next !== undefined && { next }) };
  }
  return { exitCode: stopped ? INTERRUPTED : CANNOT, code: 'failed', message: errorMessage(error) };
}
