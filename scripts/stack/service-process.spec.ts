import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isAlive } from './process-info.js';
import { type ServiceOptions, ServiceProcess } from './service-process.js';

const READY = `process.send({ type: 'ready', url: 'x' });`;
const STAY = `setInterval(() => {}, 1000); process.on('disconnect', () => process.exit(0));`;
const BOOT_MS = 20_000;

describe('ServiceProcess', () => {
  let root: string;
  let pids: number[];
  let news: string[];
  let lines: string[];
  const open: ServiceProcess[] = [];

  /** A service that runs this program. */
  const make = async (program: string, options: Partial<ServiceOptions> = {}): Promise<ServiceProcess> => {
    const script = join(root, 'service.cjs');
    await writeFile(script, program);
    const service = new ServiceProcess({
      name: 'fake',
      script,
      cwd: root,
      env: { PATH: '/bin', GREETING: 'hello' },
      logPath: join(root, 'fake.log'),
      onLine: ({ text }) => lines.push(text),
      onNews: (text) => news.push(text),
      onPid: (pid) => pid !== undefined && pids.push(pid),
      backoff: { firstMs: 10, maxMs: 40 },
      ...options,
    });
    open.push(service);
    return service;
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'gravitas-service-'));
    [pids, news, lines] = [[], [], []];
  });

  afterEach(async () => {
    for (const service of open.splice(0)) await service.stop(() => 1_000);
    expect(pids.filter(isAlive)).toEqual([]);
    await rm(root, { recursive: true, force: true });
  });

  it('is ready when it says so, sees only the environment it was given, and logs to its file', async () => {
    const service = await make(`console.log(Object.keys(process.env).sort().join()); ${READY} ${STAY}`);
    expect(await service.start(BOOT_MS)).toEqual({ ready: true });
    expect(service.state).toBe('ready');
    await until(() => lines.length > 0);
    expect(lines[0]).toBe('GREETING,PATH');
    expect(await readFile(join(root, 'fake.log'), 'utf8')).toContain('GREETING,PATH');
  });

  it('ends in order on SIGTERM, and stopping twice is stopping once', async () => {
    const service = await make(
      `process.on('SIGTERM', () => { console.log('flushed'); process.exit(0); }); ${READY} ${STAY}`,
    );
    await service.start(BOOT_MS);
    await Promise.all([service.stop(() => BOOT_MS), service.stop(() => BOOT_MS)]);
    expect(service.state).toBe('stopped');
    expect(lines).toEqual(['flushed']);
    expect(news).toEqual([]);
  });

  it('kills one that ignores SIGTERM, when its time is up, and says so', async () => {
    const service = await make(`process.on('SIGTERM', () => {}); ${READY} ${STAY}`);
    await service.start(BOOT_MS);
    await service.stop(() => 100);
    expect(news).toEqual([expect.stringMatching(/did not end within .* killed/)]);
  });

  it('starts one again that was killed, and says so', async () => {
    const service = await make(`${READY} ${STAY}`);
    await service.start(BOOT_MS);
    process.kill(pids[0] ?? 0, 'SIGKILL');
    await until(() => pids.length === 2 && service.state === 'ready');
    expect(news).toEqual(['ended (SIGKILL); it is started again in 0.01 s', 'is back']);
  });

  it('says why the first start failed, and goes on trying with growing pauses up to the limit', async () => {
    const service = await make(
      `console.log(JSON.stringify({ level: 60, msg: 'ROUTER_PORT is bad' })); process.exit(78);`,
    );
    expect(await service.start(BOOT_MS)).toEqual({ ready: false, reason: 'exit 78: ROUTER_PORT is bad' });
    await until(() => news.length >= 4);
    const pauses = news.slice(0, 4).map((text) => /in (\S+) s/.exec(text)?.[1]);
    expect(pauses).toEqual(['0.01', '0.02', '0.04', '0.04']);
  });

  it('starts with a short pause again after it was healthy for a while', async () => {
    const service = await make(`${READY} ${STAY}`, { backoff: { firstMs: 10, maxMs: 1_000, healthyMs: 0 } });
    await service.start(BOOT_MS);
    for (const round of [1, 2, 3]) {
      process.kill(pids.at(-1) ?? 0, 'SIGKILL');
      await until(() => pids.length === round + 1 && service.state === 'ready');
    }
    expect(news.filter((text) => text.includes('in 0.01 s'))).toHaveLength(3);
  });

  it('does not wait for ever for one that never gets ready', async () => {
    const service = await make(STAY);
    expect(await service.start(300)).toEqual({ ready: false, reason: 'not ready after 0.3 s' });
    expect(service.state).toBe('starting');
  });

  it('does not start one again that is being stopped while it waits', async () => {
    const service = await make('process.exit(1)', { backoff: { firstMs: 60_000, maxMs: 60_000 } });
    await service.start(BOOT_MS);
    expect(service.state).toBe('waiting');
    await service.stop(() => BOOT_MS);
    expect(service.state).toBe('stopped');
    expect(pids).toHaveLength(1);
  });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + BOOT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition was not met in time');
    await delay(10);
  }
}
