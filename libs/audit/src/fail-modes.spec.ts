import { describe, expect, it } from '@jest/globals';
import { FailModes } from './fail-modes.js';

describe('FailModes', () => {
  it('is the fallback for all, without rules', () => {
    expect(new FailModes('open').of('inference')).toBe('open');
    expect(new FailModes('closed').of('inference')).toBe('closed');
  });

  it.each([
    ['history.clear', 'open'],
    ['history.read', 'closed'],
    ['history.read.all', 'open'],
    ['history.', 'open'],
    ['history', 'open'],
    ['history/clear', 'open'],
    ['tools/search', 'closed'],
    ['inference', 'closed'],
    ['*', 'open'],
  ])('lets the most exact rule decide about %s', (action, mode) => {
    const modes = new FailModes('closed', [
      { pattern: '*', mode: 'open' },
      { pattern: 'history.*', mode: 'closed' },
      { pattern: 'history.read.*', mode: 'open' },
      { pattern: 'history.clear', mode: 'open' },
      { pattern: 'tools/*', mode: 'closed' },
      { pattern: 'inference', mode: 'closed' },
    ]);
    expect(modes.of(action)).toBe(mode);
  });

  it('knows whether any action must not go on unrecorded', () => {
    const open = { pattern: '*', mode: 'open' } as const;
    expect(new FailModes('closed').anyClosed).toBe(true);
    expect(new FailModes('open').anyClosed).toBe(false);
    expect(new FailModes('closed', [open]).anyClosed).toBe(false);
    expect(new FailModes('open', [{ pattern: 'history.*', mode: 'closed' }]).anyClosed).toBe(true);
    expect(new FailModes('open', [open, { pattern: 'inference', mode: 'closed' }]).anyClosed).toBe(true);
  });
});
