import { describe, expect, it } from '@jest/globals';
import { COSIGNATURE, NoteSigner } from '#tlog';
import { witnessList } from './witness-list.js';

const keyOf = (name: string, type: 1 | 4 = COSIGNATURE) =>
  new NoteSigner(name, Buffer.alloc(32, name), type).verifier.toString();
const problemsOf = (text: string) => witnessList.safeParse(text).error?.issues.map(({ message }) => message);

describe('the list of witnesses', () => {
  it('has commas or spaces between', () => {
    const [one, two] = [keyOf('one.example/w'), keyOf('two@example')];
    expect(witnessList.parse(` ${one}@https://one.example/a/ ,\n${two}@http://two:8080`)).toEqual([
      { key: one, name: 'one.example/w', url: 'https://one.example/a' },
      { key: two, name: 'two@example', url: 'http://two:8080' },
    ]);
    expect(witnessList.parse(undefined)).toEqual([]);
    expect(witnessList.parse(' , ')).toEqual([]);
  });

  it('names what is wrong by its place', () => {
    const good = `${keyOf('one')}@https://one.example`;
    const wrongId = keyOf('one').replace(/\+[0-9a-f]{8}\+/, '+00000000+');
    for (const wrong of [
      'x',
      keyOf('one'),
      `${wrongId}@https://x`,
      `${keyOf('x')}@ftp://x`,
      `${keyOf('x')}@https://x?y=1`,
    ])
      expect(problemsOf(`${good} ${wrong}`)).toEqual([expect.stringMatching(/^entry 2: expected KEY@URL/)]);
    expect(problemsOf(`${keyOf('x', 1)}@https://x`)).toEqual(['entry 1: the key is not a cosignature key (type 4)']);
    expect(problemsOf(`${good},${good}`)).toEqual(['entry 2: the key is there already']);
    const many = Array.from({ length: 17 }, (_, i) => `${keyOf(`w${i}`)}@https://x`);
    expect(problemsOf(many.join(','))).toEqual(['at most 16 witnesses']);
  });
});
