import { expectArgument } from '../errors.js';

/** A tenant's name alone may take 1800: 200 characters, each of three bytes that are escaped. */
const MAX_NAME = 3000;
const SPACE = /\p{White_Space}/u;
// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f]/;

/** C2SP signed-note: not empty, no Unicode space, no plus. */
export function isKeyName(name: string): boolean {
  return (
    name.length >= 1 &&
    name.length <= MAX_NAME &&
    name.isWellFormed() &&
    !SPACE.test(name) &&
    !CONTROL.test(name) &&
    !name.includes('+')
  );
}

/** @throws TlogError tlog_argument */
export function checkKeyName(name: string): void {
  expectArgument(isKeyName(name), 'key name: must not be empty, nor have spaces, a plus or control characters');
}

/** The origin of a tenant's log, which is also the name of its key: one log for each tenant, and one name for each log. */
export function tenantOrigin(base: string, tenant: string): string {
  const origin = `${base}/${encodeURIComponent(tenant)}`;
  checkKeyName(origin);
  return origin;
}
