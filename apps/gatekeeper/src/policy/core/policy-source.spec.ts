import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PolicyError } from './policy-error.js';
import { PolicySource } from './policy-source.js';

describe('the policy file', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-source-'));
    path = join(directory, 'policy.yaml');
  });
  afterEach(() => rm(directory, { recursive: true }));

  const problem = async () => {
    const reading = await new PolicySource(path).read();
    if (!('problem' in reading)) throw new Error('it was read');
    expect(reading.problem).toBeInstanceOf(PolicyError);
    return reading.problem.message;
  };

  it('is read whole, with a signature that another content of the same length and time does not have', async () => {
    const source = new PolicySource(path);
    const time = new Date('2026-01-01T00:00:00Z');
    const readings = [];
    for (const text of ['one', 'two']) {
      await writeFile(path, text);
      await utimes(path, time, time);
      readings.push(await source.read());
    }
    const [one, two] = readings;
    expect(one).toMatchObject({ bytes: Buffer.from('one') });
    expect(two).toMatchObject({ bytes: Buffer.from('two') });
    expect(one!.signature).not.toBe(two!.signature);
    expect(await source.signature()).toBe(two!.signature);
  });

  it('may not be there, be a directory, or be too large', async () => {
    expect(await problem()).toMatch(/ENOENT/);
    await mkdir(path);
    expect(await problem()).toBe('it is not a file');
    await rm(path, { recursive: true });
    await writeFile(path, '');
    await truncate(path, 17 * 1024 ** 2);
    expect(await problem()).toMatch(/at most 16777216/);
  });

  it('may be a pipe that nobody writes to: that is no file, and nothing to wait for', async () => {
    execFileSync('mkfifo', [path]);
    expect(await problem()).toBe('it is not a file');
  });
});
