import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type AuditLogger } from '#audit';
import { waitFor } from '#testing';
import { FaultRun, type Fault } from './support/fault-run.js';
import { FaultyFiles, type FaultyCall } from './support/faulty-files.js';
import { FullDiskRun, type FullDiskFacts, type FullDiskOptions } from './support/full-disk-run.js';
import { expectBalance, LoggerHarness, record } from './support/logger-harness.js';
import { TinyDisk } from './support/tiny-disk.js';

const CALLS: FaultyCall[] = [
  'makeDirectory',
  'list',
  'openSync',
  'writeSync',
  'shortWrite',
  'openAppendSync',
  'appendSync',
  'shortAppend',
  'leadsTo',
  'truncateSync',
  'size',
  'read',
  'datasync',
  'syncDirectory',
  'close',
  'rename',
  'unlink',
];
/** Most of a run is waiting, so that many go side by side: first few, as most calls are seldom made. */
const MOST_AT_A_TIME = 12;
/** Of each kind a run makes far fewer calls. */
const TOO_MANY = 200;
/** Far longer than any pause between two attempts, on a machine that stands still at times too. */
const SOON_MS = 20_000;

/** The first, second, third call of this kind fails, and so on, until a run has no such call. @returns what was found */
async function failEach(call: FaultyCall, code: Fault['code'], durability: 'process' | 'disk'): Promise<string[]> {
  const found: string[] = [];
  for (let at = 1, count = 2; at < TOO_MANY; at += count, count = Math.min(at + 1, MOST_AT_A_TIME)) {
    const faults = Array.from({ length: count }, (_, i): Fault => ({ call, at: at + i, code }));
    const runs = await Promise.allSettled(faults.map((fault) => FaultRun.of(fault, durability)));
    for (const run of runs) if (run.status === 'rejected') found.push((run.reason as Error).message);
    if (runs.some((run) => run.status === 'rejected' || !run.value)) return found;
  }
  return [...found, `${call} is called more than ${TOO_MANY} times in a run`];
}

describe('a file call that fails once', () => {
  it.each(['process', 'disk'] as const)(
    'loses nothing, whichever it is, with EIO or ENOSPC: durability %s',
    async (durability) => {
      const codes = ['EIO', 'ENOSPC'] as const;
      const chains = CALLS.flatMap((call) => codes.map((code) => failEach(call, code, durability)));
      expect((await Promise.all(chains)).flat()).toEqual([]);
    },
    180_000,
  );
});

describe('a disk that refuses for a while', () => {
  let harness: LoggerHarness;
  let files: FaultyFiles;
  beforeEach(async () => {
    harness = await LoggerHarness.create();
    files = new FaultyFiles();
  });
  afterEach(() => harness.dispose());

  const delivered = () => harness.sink.events.map(({ id }) => id);
  const refused = expect.objectContaining({ code: 'audit_disk_refused' });
  const notDurable = expect.objectContaining({ code: 'audit_not_durable' });
  const calls = () => (files.calls.writeSync ?? 0) + (files.calls.datasync ?? 0);
  const told = (texts: string[], words: string) => texts.filter((text) => text.includes(words)).length;

  /** All of one turn. */
  const recordTurn = (logger: AuditLogger, count: number) =>
    Array.from({ length: count }, (_, i) => logger.record(record({ resource: `r/${i}` })));
  const untilItRecords = async (logger: AuditLogger): Promise<void> => {
    expect(await logger.room(SOON_MS)).toBe(true);
    await logger.record(record({ resource: 'first after the refusal' })).durable;
  };

  it.each([
    ['process', 'ENOSPC', 'takes events'],
    ['process', 'EIO', 'takes none'],
    ['disk', 'ENOSPC', 'takes none'],
    ['disk', 'EIO', 'takes events'],
  ] as const)(
    'is met with refusals, and gets over it: durability %s, %s, while the sink %s',
    async (durability, code, sink) => {
      let release: () => void = () => undefined;
      if (sink === 'takes none') harness.sink.hold = new Promise((resolve) => (release = resolve));
      // Half of what comes is spilled.
      const logger = await harness.open({ files, durability, maxEvents: 4, batchSize: 2 });
      const ids: string[] = [];
      for (let round = 1; round <= 2; round++) {
        const before = recordTurn(logger, 4);
        await Promise.all(before.map(({ durable }) => durable));
        files.refusal = code;
        const during = recordTurn(logger, 4);
        ids.push(...[...before, ...during].map(({ id }) => id));
        for (const { durable } of during) await expect(durable).rejects.toEqual(notDurable);
        for (let i = 0; i < 3; i++) expect(() => logger.record(record())).toThrow(refused);
        expect(logger.refusing).toContain(code);
        const asked = calls();
        await waitFor('the disk to be asked again', () => calls() > asked);
        expect(() => logger.record(record())).toThrow(refused);
        expect(logger.stats()).toMatchObject({ accepted: ids.length, refused: round * 4 });
        expectBalance(logger);
        files.refusal = undefined;
        await untilItRecords(logger);
        ids.push('the first after the refusal');
        expect(told(harness.warnings, 'the spool cannot be written')).toBe(round);
        expect(told(harness.infos, 'the spool can be written again')).toBe(round);
      }
      release();
      await logger.flush();
      expectBalance(logger);
      const known = delivered().map((id) => (ids.includes(id) ? id : 'the first after the refusal'));
      expect(known).toEqual(ids);
    },
  );

  it('holds up neither what is in memory nor the numbers: the sink gets what was accepted all the same', async () => {
    const logger = await harness.open({ files });
    files.refusal = 'ENOSPC';
    const receipts = recordTurn(logger, 5);
    await logger.flush();
    expect(delivered()).toEqual(receipts.map(({ id }) => id));
    expect(logger.stats()).toMatchObject({ accepted: 5, persisted: 5, queued: 0, spooled: 0, dropped: 0 });
    files.refusal = undefined;
    await untilItRecords(logger);
  });

  it('may be gone for good when the logger closes, if the sink has everything', async () => {
    const logger = await harness.open({ files });
    files.refusal = 'EIO';
    recordTurn(logger, 5);
    await logger.close();
    expect(harness.sink.events).toHaveLength(5);
    expectBalance(logger);
  });

  it('may come back at the last moment, when the logger closes', async () => {
    harness.sink.down = true;
    const logger = await harness.open({ files });
    files.refusal = 'ENOSPC';
    const receipts = recordTurn(logger, 5);
    await expect(receipts[0]!.durable).rejects.toEqual(notDurable);
    files.refusal = undefined;
    await logger.close(0);
    expect(logger.stats()).toMatchObject({ accepted: 5, spooled: 5, dropped: 0 });
    harness.sink.down = false;
    await (await harness.open()).flush();
    expect(delivered()).toEqual(receipts.map(({ id }) => id));
  });

  it('that hangs does not hold the close beyond its deadline, and nothing is said to be lost that is in the file', async () => {
    harness.sink.down = true;
    const logger = await harness.open({ files, durability: 'disk' });
    let release: () => void = () => undefined;
    const hanging = new Promise<void>((resolve) => (release = resolve));
    files.datasync = () => hanging;
    const receipts = recordTurn(logger, 3);
    await logger.close(50);
    expect(logger.stats()).toMatchObject({ accepted: 3, spooled: 3, dropped: 0 });
    release();
    harness.sink.down = false;
    await (await harness.open()).flush();
    expect(delivered()).toEqual(receipts.map(({ id }) => id));
  });
});

const recovered: Omit<FullDiskFacts, 'waiting' | 'recoveredMs'> = {
  code: 'audit_disk_refused',
  // The turn that met the end of the disk.
  rejected: 1,
  missing: 0,
  inOrder: true,
  unaccounted: 0,
};

const onTmpfs = (): void => {
  const MIB = 1024 * 1024;
  let disk: TinyDisk;
  const loggers: AuditLogger[] = [];
  beforeEach(() => void (disk = TinyDisk.mount()));
  afterEach(async () => {
    await Promise.allSettled(loggers.splice(0).map((logger) => logger.close(0)));
    disk.remove();
  });

  const start = (options: Partial<FullDiskOptions> = {}): FullDiskRun =>
    new FullDiskRun(disk.directory, { durability: 'process', maxSpoolBytes: 64 * MIB, ...options });
  const open = async (run: FullDiskRun): Promise<AuditLogger> => {
    const logger = await run.open();
    loggers.push(logger);
    return logger;
  };

  for (const durability of ['process', 'disk'] as const)
    it.each([
      ['segments larger than the disk', 64 * MIB],
      ['small segments', 4 * MIB],
    ])(`refuses, loses nothing, and has room again soon: %s, durability ${durability}`, async (_what, bytes) => {
      const run = start({ durability, maxSpoolBytes: bytes });
      const logger = await open(run);
      for (let round = 0; round < 2; round++) {
        const facts = await run.fillAndRecover(logger, () => undefined);
        expect(facts).toMatchObject(recovered);
        expect(facts.recoveredMs).toBeLessThan(SOON_MS);
        expect(facts.waiting).toBeGreaterThan(100);
        expectBalance(logger);
      }
      await logger.close();
      expect((await open(run)).stats()).toMatchObject({ accepted: 0, damaged: 0 });
    });

  it('is not touched where the bound is smaller: that is reached first', async () => {
    const run = start({ maxSpoolBytes: 200_000 });
    const facts = await run.fillAndRecover(await open(run), () => undefined);
    expect(facts).toMatchObject({ ...recovered, code: 'audit_queue_full', rejected: 0 });
    expect(facts.recoveredMs).toBeLessThan(SOON_MS);
  });

  it('is no reason not to start: what was left is delivered, and that makes room', async () => {
    const run = start();
    const first = await open(run);
    for (let turn = 0; turn < 100; turn++) await run.record(first);
    await first.close(0);
    const rest = Buffer.alloc(MIB);
    expect(() => writeFileSync(join(disk.directory, 'of-somebody-else'), rest)).toThrow('ENOSPC');
    const second = await open(run);
    expect(second.stats().accepted).toBe(100);
    run.sink.down = false;
    await second.flush();
    expect(await run.recover(second)).toBeLessThan(SOON_MS);
    await second.flush();
    expect(run.delivered()).toEqual({ missing: 0, inOrder: true });
    expectBalance(second);
  });

  it('takes records again when somebody makes room, with the sink still down, and leaves them for the next start', async () => {
    const run = start();
    const logger = await open(run);
    await run.fill(logger);
    disk.grow();
    expect(await run.recover(logger)).toBeLessThan(SOON_MS);
    await logger.close(0);
    expectBalance(logger);
    run.sink.down = false;
    const next = await open(run);
    await next.flush();
    expect(run.delivered()).toEqual({ missing: 0, inOrder: true });
    expect(next.stats()).toMatchObject({ accepted: run.ids.length, damaged: 0 });
  });
};

const withLimitedFiles = (): void => {
  it('refuses, loses nothing, and has room again soon', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gravitas-limited-'));
    const program = join(process.cwd(), 'dist/libs/audit/test/support/limited-recorder.js');
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', program, directory]);
    const facts = JSON.parse(stdout) as FullDiskFacts;
    expect(facts).toMatchObject(recovered);
    expect(facts.recoveredMs).toBeLessThan(SOON_MS);
    expect(facts.waiting).toBeGreaterThan(100);
    await rm(directory, { recursive: true });
  });
};

if (TinyDisk.isPermitted()) describe('a disk that is full: a real tmpfs of 1 MiB', onTmpfs);
describe('a disk that is full: RLIMIT_FSIZE, which needs no right to mount', withLimitedFiles);
if (!TinyDisk.isPermitted())
  describe('a disk that is full: a real tmpfs of 1 MiB', () => {
    it('COULD NOT BE MOUNTED by this user: only RLIMIT_FSIZE was tried, see above', () => {
      expect(TinyDisk.isPermitted()).toBe(false);
    });
  });
