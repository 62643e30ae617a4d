import { describe, expect, it } from '@jest/globals';
import { refusalOf, saidIn } from './upstream-failure.js';

const provider = {
  name: 'openai',
  baseUrl: 'http://x',
  apiKey: 'sk-1',
  configured: true,
  setting: 'OPENAI_API_KEY',
} as const;

describe('saidIn', () => {
  it.each([
    ['OpenAI', { error: { message: 'm', param: 'p' } }, { message: 'm', param: 'p' }],
    ['Ollama', { error: 'm' }, { message: 'm', param: null }],
    ['Gemini', [{ error: { message: 'm' } }], { message: 'm', param: null }],
    ['others', { message: 'm' }, { message: 'm', param: null }],
    ['nobody', null, { message: undefined, param: null }],
  ])('reads the words of %s', (_name, body, expected) => {
    expect(saidIn(JSON.stringify(body))).toEqual(expected);
  });

  it('reads nothing in what is not JSON', () => {
    expect(saidIn('<html>')).toEqual({ message: undefined, param: null });
  });
});

describe('refusalOf', () => {
  const retryAfter = (header: string) => refusalOf(provider, 429, { 'retry-after': header }, '').retryAfter;

  it('reads Retry-After as seconds and as a date, within an hour', () => {
    expect(retryAfter('7')).toBe(7);
    expect(retryAfter('999999')).toBe(3600);
    expect(retryAfter(new Date(Date.now() + 600_000).toUTCString())).toBeGreaterThan(550);
    expect(retryAfter(new Date(0).toUTCString())).toBe(0);
    expect(retryAfter('soon')).toBeUndefined();
  });

  it('keeps the key out of what the caller sees, and long texts short', () => {
    const { detail } = refusalOf(provider, 500, {}, JSON.stringify({ error: { message: `sk-1 ${'x'.repeat(5000)}` } }));
    expect(detail).not.toContain('sk-1');
    expect(detail.length).toBeLessThan(600);
  });
});
