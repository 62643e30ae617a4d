import { describe, expect, it } from '@jest/globals';
import { loadConfig } from './config.js';

const required = { GUARDIAN_DATABASE_URL: 'postgres://u:p@localhost/db', SERVICE_KEY: 'k'.repeat(32) };

describe("guardian's configuration", () => {
  it('has defaults', () => {
    expect(loadConfig(required)).toMatchObject({
      signingKeyPath: '.gravitas/keys/guardian-signing-key.pem',
      defaultAgents: ['Supervisor', 'Supervisor_Managed_Agent', 'Librarian', 'Scout'],
      certificateTtl: 365 * 86_400,
      sessionTimeout: 3600,
    });
  });

  it('puts the key below GRAVITAS_HOME, or where it is told', () => {
    expect(loadConfig({ ...required, GRAVITAS_HOME: '/g' }).signingKeyPath).toBe('/g/keys/guardian-signing-key.pem');
    expect(loadConfig({ ...required, GUARDIAN_SIGNING_KEY_PATH: '/k.pem' }).signingKeyPath).toBe('/k.pem');
  });

  it('reads names with commas between them, each once; a lone comma is none', () => {
    const agents = (text: string) => loadConfig({ ...required, GUARDIAN_DEFAULT_CERTIFICATES: text }).defaultAgents;
    expect(agents(' a, b,a ,')).toEqual(['a', 'b']);
    expect(agents(',')).toEqual([]);
  });

  it.each([
    ['90d', 7_776_000],
    ['60', 60],
    ['1s', 1],
  ])('reads %s as a time to live', (text, seconds) => {
    expect(loadConfig({ ...required, GUARDIAN_CERTIFICATE_TTL: text }).certificateTtl).toBe(seconds);
  });

  it.each(['0', '31d', 'soon'])('refuses %s as a session timeout', (text) => {
    expect(() => loadConfig({ ...required, GUARDIAN_SESSION_TIMEOUT: text })).toThrow(/GUARDIAN_SESSION_TIMEOUT/);
  });

  it('names all that is wrong in one error', () => {
    const bad = { ...required, GUARDIAN_CERTIFICATE_TTL: '11y', GUARDIAN_DEFAULT_CERTIFICATES: 'a\nb' };
    expect(() => loadConfig(bad)).toThrow(/GUARDIAN_DEFAULT_CERTIFICATES[^]*GUARDIAN_CERTIFICATE_TTL/);
    expect(() => loadConfig({ ...required, GUARDIAN_CERTIFICATE_TTL: '3651d' })).toThrow(/GUARDIAN_CERTIFICATE_TTL/);
    expect(() => loadConfig({ ...required, GUARDIAN_CERTIFICATE_TTL: '0' })).toThrow(/GUARDIAN_CERTIFICATE_TTL/);
  });
});
