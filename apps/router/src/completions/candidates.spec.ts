import { describe, expect, it } from '@jest/globals';
import { type Ghost } from '../registry/ghost.entity.js';
import { Registry } from '../registry/registry.js';
import { type Shell } from '../registry/shell.entity.js';
import { candidatesFor } from './candidates.js';

const shell = (name: string, tier: Shell['tier'], provider: Shell['provider'] = 'ollama') =>
  ({ name, tier, provider }) as Shell;
const ghost = (name: string, preferredShell: string, fallbacks: string[]) =>
  ({ name, preferredShell, fallbacks }) as Ghost;
const registry = new Registry(
  [shell('echo', 'L1', 'builtin'), shell('cloud', 'L2'), shell('local', 'L1'), shell('front', 'L3')],
  [ghost('Scout', 'front', ['local', 'front', 'echo'])],
);
const choose = (asked: Partial<Parameters<typeof candidatesFor>[1]>) => {
  const { shells, open } = candidatesFor(registry, { model: 'auto', complexity: 5, ...asked });
  return [shells.map(({ name }) => name), open];
};

describe('candidatesFor', () => {
  it("takes a shell's name for that shell alone", () => {
    expect(choose({ model: 'front', complexity: 1 })).toEqual([['front'], false]);
  });

  it("takes a ghost's name for its preferred shell and its fallbacks, each once", () => {
    expect(choose({ model: 'Scout' })).toEqual([['front', 'local', 'echo'], true]);
  });

  it('leaves simple requests to local and then cloud models, the built-in one last', () => {
    expect(choose({ complexity: 8 })).toEqual([['local', 'cloud', 'echo'], true]);
  });

  it('leaves complex requests to frontier models', () => {
    expect(choose({ complexity: 8.5 })).toEqual([['front'], true]);
  });

  it.each([
    ['auto', [['local', 'echo'], true]],
    ['echo', [['echo'], false]],
    ['Scout', [['local', 'echo'], true]],
    ['front', [['local', 'echo'], true]],
  ])('keeps %s to a forced tier', (model, expected) => {
    expect(choose({ model, force_tier: 'L1', complexity: 10 })).toEqual(expected);
  });

  it('does not know a model that is not registered, not even with a forced tier', () => {
    expect(() => choose({ model: 'constructor', force_tier: 'L1' })).toThrow("The model 'constructor' does not exist");
  });

  it('refuses a tier without models', () => {
    const small = new Registry([shell('echo', 'L1', 'builtin')], []);
    expect(() => candidatesFor(small, { model: 'auto', complexity: 9 })).toThrow('No model of tier L3 is registered');
  });
});
