import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { benches } from './index.js';

describe('the benches', () => {
  it('have names of their own, which are those of their files', () => {
    const names = benches.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(existsSync(new URL(`./${name}.ts`, import.meta.url))).toBe(true);
  });
});
