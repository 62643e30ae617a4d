import { randomUUIDv7 } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { auditEvent, type AuditEvent } from '#contracts';
import { memoryDirectory } from '../../test/support/memory-directory.js';
import { type DeadLetterBatch } from './dead-letter-batch.js';
import { DeadLetters } from './dead-letters.js';
import { nodeFiles, type SpoolFiles } from './spool/spool-files.js';

const event = (overrides: Partial<AuditEvent> = {}): AuditEvent =>
  auditEvent.parse({
    id: randomUUIDv7(),
    timestamp: '2026-11-20T10:00:00.000Z',
    service: 'router',
    action: 'execute',
    resource: 'shells/l1/echo',
    result: 'ALLOWED',
    ...overrides,
  });

const idsOf = async (batch: DeadLetterBatch): Promise<string[]> => {
  const ids: string[] = [];
  for await (const letters of batch.letters()) ids.push(...letters.map((letter) => letter.event.id));
  return ids;
};

describe('DeadLetters', () => {
  let directory: string;
  let letters: DeadLetters;
  beforeEach(async () => {
    directory = await mkdtemp(join(await memoryDirectory(), 'gravitas-letters-'));
    letters = new DeadLetters(directory, nodeFiles, () => Date.UTC(2026, 10, 20, 12));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const file = () => join(directory, 'dead-letters.ndjson');

  it('keeps each event on a line, with the reason and the time, for its owner only', async () => {
    const first = event({ metadata: { text: 'one\ntwo' } });
    await letters.add(first, 'no such month');
    await letters.add(event(), 'no such month either');
    const lines = (await readFile(file(), 'utf8')).split('\n');
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[0]!)).toEqual({
      ...first,
      dead_letter_reason: 'no such month',
      dead_lettered_at: '2026-11-20T12:00:00.000Z',
    });
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect(await letters.count()).toBe(2);
  });

  it('has none in a directory that is not there', async () => {
    const none = new DeadLetters(join(directory, 'none'));
    expect(await none.count()).toBe(0);
    const batch = await none.take();
    expect(await idsOf(batch)).toEqual([]);
    await batch.done();
    await none.add(event(), 'made with its directory');
    expect(await none.count()).toBe(1);
  });

  it('starts on a fresh line behind one that a crash has torn', async () => {
    await letters.add(event(), 'whole');
    await appendFile(file(), '{"id":"torn');
    const { id } = event();
    await letters.add(event({ id }), 'whole too');
    expect(await idsOf(await letters.take())).toContain(id);
  });

  it('gives what was taken, while new letters are added to a file of their own', async () => {
    const [before, after] = [event(), event()];
    await letters.add(before, 'reason');
    const batch = await letters.take();
    await letters.add(after, 'reason');
    expect(await idsOf(batch)).toEqual([before.id]);
    expect(await letters.count()).toBe(2);
    await batch.done();
    expect(await letters.count()).toBe(1);
    expect(await idsOf(await letters.take())).toEqual([after.id]);
  });

  it('puts back what is still refused, once, with its new reason', async () => {
    const refused = event();
    await letters.add(refused, 'old');
    await letters.add(event(), 'old');
    const batch = await letters.take();
    await idsOf(batch);
    await batch.putBack([{ event: refused, reason: 'new' }]);
    await batch.putBack([{ event: refused, reason: 'new' }]);
    await batch.done();
    const left = (await readFile(file(), 'utf8')).trim().split('\n');
    expect(left.map((line) => JSON.parse(line) as object)).toMatchObject([
      { id: refused.id, dead_letter_reason: 'new' },
    ]);
    expect(await readdir(directory)).toEqual(['dead-letters.ndjson']);
  });

  it('takes again what an interrupted re-drive took, and refuses to forget what was not read', async () => {
    const [first, second] = [event(), event()];
    await letters.add(first, 'reason');
    await letters.take();
    await letters.add(second, 'reason');
    const again = await letters.take();
    await expect(again.done()).rejects.toThrow('not read');
    expect(await idsOf(again)).toEqual([first.id, second.id]);
  });

  it('keeps lines that are no letters in `damaged`, as they are, and once', async () => {
    const damaged = Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n\nno JSON\n')]);
    await writeFile(file(), damaged);
    await letters.add(event(), 'reason');
    for (const _ of [1, 2]) {
      const batch = await letters.take();
      expect(await idsOf(batch)).toHaveLength(1);
      expect(batch.damaged).toBe(2);
    }
    const [kept] = await readdir(join(directory, 'damaged'));
    expect(await readFile(join(directory, 'damaged', kept!))).toEqual(
      Buffer.concat([damaged.subarray(0, damaged.indexOf('\n\n') + 1), Buffer.from('no JSON\n')]),
    );
  });

  it('reads lines that are longer than a block, and many of them', async () => {
    const all = Array.from({ length: 40 }, (_, i) => event({ metadata: { text: 'ä'.repeat(i * 400) } }));
    for (const each of all) await letters.add(each, 'reason');
    const seen: AuditEvent[] = [];
    for await (const some of letters.read()) seen.push(...some.map((letter) => letter.event));
    expect(seen).toEqual(all);
  });

  it('writes a letter again that a re-drive may have missed', async () => {
    const missed = event();
    let taken: Promise<string[]> | undefined;
    const between: SpoolFiles = {
      ...nodeFiles,
      // After the file was opened and before it is written, another process takes it and reads it to its end.
      size: (fd) => {
        taken ??= letters.take().then(idsOf);
        return nodeFiles.size(fd);
      },
      datasync: async (fd) => void (await Promise.all([taken, nodeFiles.datasync(fd)])),
    };
    await letters.add(event(), 'reason');
    await new DeadLetters(directory, between).add(missed, 'reason');
    expect((await taken)!.length).toBeGreaterThan(0);
    expect(await readFile(file(), 'utf8')).toContain(missed.id);
  });

  it('loses none while letters are added and driven again at the same time', async () => {
    const all = Array.from({ length: 120 }, () => event());
    const delivered: string[] = [];
    let adding = true;
    let added = 0;
    const redriving = (async () => {
      while (adding) {
        const before = added;
        const batch = await letters.take();
        delivered.push(...(await idsOf(batch)));
        await batch.done();
        // Where the disk is slower than this, a letter that is taken again and again is never added.
        while (adding && added === before) await turn();
      }
    })();
    await Promise.all(
      [0, 1, 2].map(async (k) => {
        for (const each of all.slice(k * 40, k * 40 + 40)) {
          await letters.add(each, 'reason');
          added++;
        }
      }),
    );
    adding = false;
    await redriving;
    delivered.push(...(await idsOf(await letters.take())));
    expect([...new Set(delivered)].sort()).toEqual(all.map(({ id }) => id).sort());
  });

  it('finishes a line of which the file system took only a part', async () => {
    let calls = 0;
    const short: SpoolFiles = {
      ...nodeFiles,
      appendSync: (fd, bytes) => nodeFiles.appendSync(fd, calls++ % 2 === 0 ? bytes.subarray(0, 20) : bytes),
    };
    const kept = event();
    await new DeadLetters(directory, short).add(kept, 'reason');
    expect(await idsOf(await letters.take())).toEqual([kept.id]);
  });
});

/** File calls of which one fails, the n-th of its kind. */
class FailingFiles {
  calls = 0;

  constructor(
    private readonly kind: keyof SpoolFiles,
    private readonly nth: number,
  ) {}

  readonly files = new Proxy(nodeFiles, {
    get: (target, name: keyof SpoolFiles) => {
      const call = target[name].bind(target) as (...given: unknown[]) => unknown;
      if (name !== this.kind) return call;
      return (...given: unknown[]) => {
        if (++this.calls !== this.nth) return call(...given);
        const error = Object.assign(new Error(`EIO: ${name}`), { code: 'EIO' });
        if (name.endsWith('Sync') || name === 'size' || name === 'leadsTo') throw error;
        return Promise.reject(error);
      };
    },
  });
}

describe('DeadLetters on a file system that fails', () => {
  const KINDS = [
    'makeDirectory',
    'list',
    'openAppendSync',
    'appendSync',
    'leadsTo',
    'size',
    'openSync',
    'read',
    'datasync',
    'syncDirectory',
    'close',
    'rename',
    'unlink',
    'truncateSync',
  ] as const satisfies (keyof SpoolFiles)[];

  it.each(KINDS)('loses no letter to any call of %s', async (kind) => {
    for (let nth = 1; ; nth++) {
      const directory = await mkdtemp(join(await memoryDirectory(), 'gravitas-letters-'));
      const failing = new FailingFiles(kind, nth);
      const known = new Set<string>();
      const delivered = new Set<string>();
      await work(new DeadLetters(directory, failing.files), known, delivered).catch((error: Error) =>
        expect(error.message).toContain('EIO'),
      );
      const left = await idsOf(await new DeadLetters(directory).take());
      expect({ kind, nth, lost: [...known].filter((id) => !delivered.has(id) && !left.includes(id)) }).toEqual({
        kind,
        nth,
        lost: [],
      });
      await rm(directory, { recursive: true });
      if (failing.calls < nth) return expect(nth).toBeGreaterThan(1);
    }
  });

  /** Letters of which every second one is delivered at the next re-drive; one line is torn. */
  async function work(letters: DeadLetters, known: Set<string>, delivered: Set<string>): Promise<void> {
    const add = async () => {
      const { id } = event();
      await letters.add(event({ id }), 'reason');
      known.add(id);
    };
    const directory = (letters as unknown as { directory: string }).directory;
    await add();
    await appendFile(join(directory, 'dead-letters.ndjson'), '{"torn');
    for (let round = 0; round < 2; round++) {
      await add();
      await add();
      const batch = await letters.take();
      let odd = false;
      for await (const some of batch.letters())
        for (const letter of some) {
          if ((odd = !odd)) delivered.add(letter.event.id);
          else await batch.putBack([{ ...letter, reason: 'again' }]);
        }
      await batch.done();
    }
  }
});
