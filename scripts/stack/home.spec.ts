import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ensureHome, locateHome } from './home.js';
import { rolePassword, stackSecrets } from './secrets.js';

describe('the home and its secrets', () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'gravitas-home-'));
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  it('is .gravitas in the checkout, or what GRAVITAS_HOME says', async () => {
    expect((await locateHome(root, {})).path).toBe(join(root, '.gravitas'));
    expect((await locateHome(root, { GRAVITAS_HOME: 'elsewhere' })).path).toBe(join(root, 'elsewhere'));
    expect((await locateHome(root, { GRAVITAS_HOME: '/elsewhere' })).path).toBe('/elsewhere');
  });

  it('lets others pass through but look into nothing', async () => {
    const home = await locateHome(root, {});
    await ensureHome(home);
    await ensureHome(home);
    expect(await modeOf(home.path)).toBe(0o711);
    for (const inner of await readdir(home.path))
      expect([inner, await modeOf(join(home.path, inner))]).toEqual([inner, 0o700]);
  });

  it('says which directory it cannot use', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(ensureHome(await locateHome(root, { GRAVITAS_HOME: join(root, 'file') }))).rejects.toThrow(
      /file cannot be used .*GRAVITAS_HOME/,
    );
  });

  it('leaves the mode of a directory that was there before', async () => {
    await chmod(root, 0o750);
    await ensureHome(await locateHome(root, { GRAVITAS_HOME: root }));
    expect(await modeOf(root)).toBe(0o750);
  });

  it('makes each secret once, whoever asks at the same time, for nobody else to read', async () => {
    const home = await locateHome(root, {});
    await ensureHome(home);
    const all = await Promise.all(Array.from({ length: 20 }, () => stackSecrets(home, {})));
    expect(new Set(all.map(({ jwtSecretKey }) => jwtSecretKey)).size).toBe(1);
    expect(new Set(all.map(({ serviceKey }) => serviceKey)).size).toBe(1);
    expect(Buffer.from(all[0]?.jwtSecretKey ?? '', 'base64url')).toHaveLength(32);
    await rolePassword(home, 'postgres');
    const files = await readdir(home.secrets);
    expect(files.sort()).toEqual(['jwt_secret_key', 'postgres_postgres', 'service_key']);
    for (const file of files) expect(await modeOf(join(home.secrets, file))).toBe(0o600);
  });

  it('prefers the secrets of the environment, and keeps no copy of them', async () => {
    const home = await locateHome(root, {});
    await ensureHome(home);
    const given = await stackSecrets(home, { JWT_SECRET_KEY: 'mine', SERVICE_KEY: 'mine too' });
    expect(given).toEqual({ jwtSecretKey: 'mine', serviceKey: 'mine too' });
    expect(await readdir(home.secrets)).toEqual([]);
  });

  it('does not take an empty file for a secret', async () => {
    const home = await locateHome(root, {});
    await ensureHome(home);
    await writeFile(join(home.secrets, 'jwt_secret_key'), '');
    await expect(stackSecrets(home, {})).rejects.toThrow(/jwt_secret_key is empty/);
    expect(await readFile(join(home.secrets, 'jwt_secret_key'), 'utf8')).toBe('');
  });
});

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}
