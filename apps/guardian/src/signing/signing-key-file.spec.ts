import { createPublicKey } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSigningKey } from './signing-key-file.js';

describe('the signing key file', () => {
  let home: string;
  let path: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'gravitas-key-'));
    path = join(home, 'keys', 'key.pem');
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  it('is made with its directory, for its owner only, and leaves nothing beside it', async () => {
    const { key, exposed } = await openSigningKey(path);
    expect([createPublicKey(key.publicKey).asymmetricKeyType, exposed]).toEqual(['ed25519', false]);
    expect([(await stat(path)).mode & 0o777, (await stat(join(home, 'keys'))).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(await readdir(join(home, 'keys'))).toEqual(['key.pem']);
  });

  it('is one and the same for all who ask at once, and later', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openSigningKey(path)));
    opened.push(await openSigningKey(path));
    expect(new Set(opened.map(({ key }) => key.publicKey)).size).toBe(1);
    expect(await readdir(join(home, 'keys'))).toEqual(['key.pem']);
  });

  it.each([0o640, 0o604])('is said to be exposed with mode %o', async (mode) => {
    await openSigningKey(path);
    await chmod(path, mode);
    expect(await openSigningKey(path)).toMatchObject({ exposed: true });
  });

  it('is named where it cannot be used, without its text', async () => {
    await openSigningKey(path);
    await writeFile(path, 'a secret, but no key');
    const error = await openSigningKey(path).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining(path) });
    expect((error as Error).message).not.toContain('a secret');
  });

  it('is named where its place is not a directory', async () => {
    await writeFile(join(home, 'keys'), '');
    await expect(openSigningKey(path)).rejects.toThrow(`GUARDIAN_SIGNING_KEY_PATH: ${path}`);
  });
});
