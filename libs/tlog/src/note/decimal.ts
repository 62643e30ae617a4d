import { malformed } from '../errors.js';

const DECIMAL = /^(0|[1-9]\d{0,15})$/;

/** ASCII digits without leading zeros, up to 2^53 - 1. @throws TlogError tlog_malformed */
export function parseDecimal(text: string, what: string): number {
  const number = DECIMAL.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(number)) throw malformed(`${what}: expected a whole number from 0 to 2^53 - 1`);
  return number;
}
