import { describe, expect, it } from '@jest/globals';
import { loadConfig } from './config.js';

const REQUIRED = {
  GATEKEEPER_DATABASE_URL: 'postgres://u:p@127.0.0.1:5432/d',
  GATEKEEPER_READER_URL: 'postgres://r:p@127.0.0.1:5432/d',
  GATEKEEPER_NOTARY_URL: 'postgres://n:p@127.0.0.1:5432/d',
  JWT_SECRET_KEY: 'one secret of thirty-two characters or more',
  SERVICE_KEY: 'another secret of thirty-two characters or more',
};

describe('the configuration of the gatekeeper', () => {
  it('needs its URLs and secrets, and has defaults for the rest', () => {
    expect(loadConfig(REQUIRED)).toMatchObject({
      jwt: { maxLifetime: 366 * 86_400 },
      rateLimit: { rate: 0, burst: 0 },
      policyWatch: true,
    });
    expect(() => loadConfig({})).toThrow(/DATABASE_URL[^]*READER_URL[^]*NOTARY_URL[^]*JWT_SECRET_KEY/);
  });

  it('moves to a database of its own with all of its roles, or not at all', () => {
    const part = { ...REQUIRED, GATEKEEPER_SPLIT_DATABASE_URL: 'postgres://u:p@127.0.0.1:5432/own' };
    expect(() => loadConfig(part)).toThrow(/GATEKEEPER_SPLIT_READER_URL, GATEKEEPER_SPLIT_NOTARY_URL/);
    const [reader, notary] = ['postgres://r:p@127.0.0.1:5432/own', 'postgres://n:p@127.0.0.1:5432/own'];
    const whole = { ...part, GATEKEEPER_SPLIT_READER_URL: reader, GATEKEEPER_SPLIT_NOTARY_URL: notary };
    expect(loadConfig(whole).movedConnections).toEqual([
      { source: REQUIRED.GATEKEEPER_READER_URL, target: reader },
      { source: REQUIRED.GATEKEEPER_NOTARY_URL, target: notary },
    ]);
    expect(loadConfig(REQUIRED).movedConnections).toEqual([]);
  });

  it('allows a burst of twice the rate, unless told otherwise', () => {
    expect(loadConfig({ ...REQUIRED, GATEKEEPER_RATE_LIMIT: '50' }).rateLimit).toEqual({ rate: 50, burst: 100 });
    const both = { ...REQUIRED, GATEKEEPER_RATE_LIMIT: '50', GATEKEEPER_RATE_BURST: '7' };
    expect(loadConfig(both).rateLimit).toEqual({ rate: 50, burst: 7 });
  });

  it('refuses one key for agents and services, without telling it', () => {
    const same = { ...REQUIRED, JWT_SECRET_KEY: REQUIRED.SERVICE_KEY };
    expect(() => loadConfig(same)).toThrow(/JWT_SECRET_KEY: is the same as SERVICE_KEY/);
    expect(() => loadConfig(same)).not.toThrow(REQUIRED.SERVICE_KEY);
  });

  it.each([
    ['GATEKEEPER_JWT_MAX_LIFETIME', '59'],
    ['GATEKEEPER_JWT_MAX_LIFETIME', 'for ever'],
    ['GATEKEEPER_RATE_LIMIT', '-1'],
    ['GATEKEEPER_JWKS_URL', 'ftp://keys'],
    ['ACCESS_POLICY_WATCH', 'maybe'],
  ])('refuses %s=%s by name', (name, value) => {
    expect(() => loadConfig({ ...REQUIRED, [name]: value })).toThrow(name);
  });
});
