import { describe, expect, it } from '@jest/globals';
import { explanation, parseLogLine } from './log-line.js';

describe('parseLogLine', () => {
  it('reads a pino record', () => {
    const line = '{"level":40,"time":1,"context":"Pool","msg":"slow"}';
    expect(parseLogLine(line)).toEqual({ level: 40, text: '[Pool] slow' });
  });

  it('adds what an error says, once', () => {
    expect(parseLogLine('{"level":50,"msg":"no luck","err":{"message":"refused"}}').text).toBe('no luck: refused');
    expect(parseLogLine('{"level":50,"msg":"refused","err":{"message":"refused"}}').text).toBe('refused');
    expect(parseLogLine('{"level":50,"err":{"message":"refused"}}').text).toBe('refused');
  });

  it.each(['plain words', '{not json', '{"msg":"without a level"}', ''])('passes through what is none: %s', (line) => {
    expect(parseLogLine(line)).toEqual({ level: undefined, text: line });
  });
});

describe('explanation', () => {
  const lines = (...texts: string[]) => texts.map(parseLogLine);

  it('is the last error that was logged', () => {
    const said = lines(
      '{"level":50,"msg":"first"}',
      '{"level":60,"msg":"second"}',
      '{"level":30,"msg":"bye"}',
      'trailing',
    );
    expect(explanation(said)).toBe('second');
  });

  it('is the error of an uncaught exception, not its stack', () => {
    const said = lines(
      'file.js:1',
      'TypeError: x is not a function',
      '    at main (file.js:1:1)',
      '',
      'Node.js v26.10.0',
    );
    expect(explanation(said)).toBe('TypeError: x is not a function');
  });

  it('is nothing when nothing was said', () => {
    expect(explanation(lines('{"level":30,"msg":"hello"}'))).toBeUndefined();
  });
});
