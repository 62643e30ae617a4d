import { describe, expect, it } from '@jest/globals';
import { failRules } from './fail-modes.js';

const problemsOf = (text: string) => failRules.safeParse(text).error?.issues.map(({ message }) => message);

describe('failRules', () => {
  it('reads nothing from nothing', () => {
    for (const empty of [undefined, '', ' , ']) expect(failRules.parse(empty)).toEqual([]);
  });

  it('reads actions, what lies below a prefix, and all', () => {
    expect(failRules.parse('inference=open, history.*=closed,tools/*=open,a=b=closed,*=closed')).toEqual([
      { pattern: 'inference', mode: 'open' },
      { pattern: 'history.*', mode: 'closed' },
      { pattern: 'tools/*', mode: 'open' },
      { pattern: 'a=b', mode: 'closed' },
      { pattern: '*', mode: 'closed' },
    ]);
  });

  it.each([
    'inference',
    '=open',
    'inference=',
    'inference=maybe',
    'open',
    'hist*=open',
    'a.*.b=open',
    '/*=open',
    '**=open',
  ])('does not take %s', (entry) => {
    expect(problemsOf(`a=open,${entry}`)).toEqual([expect.stringContaining('entry 2: expected')]);
  });

  it('does not take a pattern twice, and names each bad entry without repeating it', () => {
    const problems = problemsOf('a=open,hunter2,a=closed');
    expect(problems).toEqual([expect.stringContaining('entry 2: expected'), 'entry 3: the pattern is there already']);
    expect(problems!.join()).not.toContain('hunter2');
  });
});
