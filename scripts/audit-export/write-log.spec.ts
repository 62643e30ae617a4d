import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type NoteSigner, tenantOrigin, verifyLog, type LogVerdict } from '#tlog';
import { DatabaseTrail } from '../../apps/gatekeeper/src/notary/core/index.js';
import { logEvent, LoggedTrail } from '../../apps/gatekeeper/test/support/logged-trail.js';
import { CHECKPOINTS } from '../audit-verify/export-folder.js';
import { FolderResources } from '../audit-verify/resources.js';
import { TiledLog } from '../audit-verify/tiled-log.js';
import { writeLog } from './write-log.js';

describe('an exported log', () => {
  let trail: LoggedTrail;
  let folder: string;
  beforeAll(async () => {
    trail = await LoggedTrail.make();
    folder = await mkdtemp(join(tmpdir(), 'gravitas-export-'));
  });
  afterAll(async () => {
    await trail.quiet();
    await trail.drop();
    await rm(folder, { recursive: true });
  });

  /** @param failAt fails when it has come so far: whatever was written by then stays */
  const write = async (failAt = Infinity): Promise<number> => {
    const source = await DatabaseTrail.open({ url: trail.database.notaryUrl! });
    try {
      const { events } = await writeLog(source.log('default'), folder, (leaves) => {
        if (leaves >= failAt) throw new Error('interrupted');
      });
      return events;
    } finally {
      await source.close();
    }
  };
  const verify = (log: TiledLog, signer: NoteSigner = trail.signer): Promise<LogVerdict> =>
    verifyLog(log, { tenant: 'default', log: signer.verifier.named(tenantOrigin('test', 'default')) });
  const exported = (): TiledLog => new TiledLog(new FolderResources(folder), CHECKPOINTS);
  const grow = (count: number): Promise<void> =>
    trail.write(
      Array.from({ length: count }, (_, i) => logEvent('default', i)),
      99,
    );

  it('grows with the log, is one at any time, and goes on where a run was cut off', async () => {
    let size = 0;
    for (const step of [100, 156, 300, 244, 4500]) {
      await grow(step);
      size += step;
      if (step === 4500) {
        await expect(write(2000)).rejects.toThrow('interrupted');
        // Still what it was.
        expect(await verify(exported())).toMatchObject({ intact: true, size: size - step });
      }
      const written = await write();
      if (step === 4500) expect(written).toBeLessThan(3000);
      else expect(written).toBe(step);
      expect(await write()).toBe(0);
      expect(await verify(exported())).toMatchObject({ intact: true, size, sealed: 0 });
    }
  });

  it('is read by who started before it grew: narrower tiles may be gone by then', async () => {
    const reader = exported();
    await reader.latest();
    const before = Number(String(await reader.latest()).split('\n')[1]);
    await grow(300);
    await write();
    const old = new TiledLog({
      read: (path, most) =>
        path === 'checkpoint' ? (reader.latest() as Promise<Buffer>) : new FolderResources(folder).read(path, most),
    });
    await expect(access(join(folder, 'tile/0/020.p'))).rejects.toThrow('ENOENT');
    expect(await verify(old)).toMatchObject({ intact: true, size: before });
  });

  it('is not written over by a shorter one, nor with an event that is gone', async () => {
    const checkpoint = join(folder, 'checkpoint');
    const note = await readFile(checkpoint, 'utf8');
    await writeFile(checkpoint, note.replace(/\n\d+\n/, '\n99999\n'));
    await expect(write()).rejects.toThrow('it was cut back');
    await writeFile(checkpoint, note);
    await grow(1);
    await trail.database.query('DELETE FROM audit_log WHERE xid = (SELECT max(xid) FROM audit_log)');
    await expect(write()).rejects.toThrow(/the event of leaf \d+ of the tenant default is not there/);
  });
});
