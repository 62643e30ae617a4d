import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { commandLine, listenerOn } from '../../scripts/stack/process-info.js';
import { query } from '../support/postgres-client.js';
import { StackProcess } from '../support/stack-process.js';

const APPS = ['gatekeeper', 'guardian', 'router', 'telemetry', 'lobby'] as const;

/** The whole stack as processes of their own, on an embedded PostgreSQL of its own. */
describe('the stack', () => {
  let stack: StackProcess;
  beforeAll(async () => {
    stack = await StackProcess.create();
    await stack.start();
  });
  afterAll(() => stack.close());

  const post = async (app: 'LOBBY' | 'GATEKEEPER', path: string, token: string, body: object) =>
    fetch(stack.url(app) + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
  const complete = async (token: string) =>
    post('LOBBY', '/v1/chat/completions', token, { model: 'echo', messages: [{ role: 'user', content: 'hello' }] });
  const healthy = async (app: 'GUARDIAN' | 'LOBBY') =>
    (await fetch(`${stack.url(app)}/health`).catch(() => undefined))?.status === 200;

  it('prints a first request that works as it stands', async () => {
    const curl = /^curl .*$/m.exec(stack.output)![0];
    const [, url, token, body] = /-s (\S+) -H 'Authorization: Bearer (\S+)' .* -d '(.*)'$/.exec(curl)!;
    const response = await fetch(url!, {
      method: 'POST',
      headers: { authorization: `Bearer ${token!}`, 'content-type': 'application/json' },
      body: body!,
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello, Gravitas!' } }] });
  });

  it('has a demo that tells its story, and finds it in the trail', async () => {
    const told = await stack.run('demo');
    expect(told).toContain('AuthenticationError: 401 Invalid or expired token');
    expect(told).toContain("PermissionDeniedError: 403 Agent 'Courier' lacks a valid certificate");
    expect(told).toMatch(/\d+ pieces: "One " "word "/);
    expect(told).toMatch(/^\S+ +guardian +Supervisor +certificate\.revoke .* SUCCEEDED/m);
    expect(told).toMatch(
      /Every step is in the trail with its outcome\.\nEach event is proved to be in the log of \S+\.$/,
    );
  });

  it('lets no runtime role into another database, and each to its own tables only', async () => {
    const urls = new Map<string, URL>();
    for (const app of APPS) urls.set(app, new URL(await stack.run('db-url', app)));
    for (const [app, own] of urls)
      for (const [other, { pathname }] of urls) {
        const url = new URL(own);
        url.pathname = pathname;
        const connected = await query(url.href, 'SELECT 1').then(
          () => 'connected',
          (error: { code: string }) => error.code,
        );
        expect({ app, other, connected }).toEqual({ app, other, connected: app === other ? 'connected' : '42501' });
      }
    const [owner] = await query<{ tableowner: string }>(
      await stack.run('db-url', 'lobby', '--role', 'superuser'),
      `SELECT tableowner FROM pg_tables WHERE tablename = 'history'`,
    );
    expect(owner).toEqual({ tableowner: 'gravitas_lobby_owner' });
    await expect(query(urls.get('lobby')!.href, 'DROP TABLE history')).rejects.toMatchObject({ code: '42501' });
  });

  it('keeps secrets to itself', async () => {
    const modes = execFileSync('find', [
      `${stack.home}/secrets`,
      `${stack.home}/keys`,
      '-type',
      'f',
      '-printf',
      '%m\n',
    ]);
    expect([...new Set(modes.toString().trim().split('\n'))]).toEqual(['600']);
    for (const app of APPS) {
      const pid = (await listenerOn(stack.ports[app.toUpperCase() as 'LOBBY']))!;
      const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
      const names = environment
        .map((line) => line.split('=')[0]!)
        .filter((name) => /DATABASE_URL|MIGRATION_URL|READER_URL|NOTARY_URL|JWT_SECRET/.test(name));
      const own = [`${app.toUpperCase()}_DATABASE_URL`, `${app.toUpperCase()}_MIGRATION_URL`];
      const further = ['GATEKEEPER_NOTARY_URL', 'GATEKEEPER_READER_URL', 'JWT_SECRET_KEY'];
      expect(names.sort()).toEqual(app === 'gatekeeper' ? [...own, ...further].sort() : own);
    }
  });

  it('restarts a service that dies, says so, and the others answer meanwhile', async () => {
    const pid = (await listenerOn(stack.ports.GUARDIAN))!;
    expect(await commandLine(pid)).toContain('guardian');
    process.kill(pid, 'SIGKILL');
    const token = await stack.token('Scout');
    const whileDown = await post('GATEKEEPER', '/validate', token, { action: 'execute', resource: 'shells/l1/echo' });
    expect(whileDown.status).toBe(200);
    await waitFor('the guardian to be back', () => healthy('GUARDIAN'), 30_000);
    await waitFor('the supervisor to say so', () => /guardian .*(SIGKILL|restart)/.test(stack.output));
    await waitFor('completions to work again', async () => (await complete(token)).status === 200, 20_000);
  });

  it('loses no audit event of an answered request to SIGTERM during traffic, and leaves no process behind', async () => {
    const token = await stack.token('Scout');
    const answered: string[] = [];
    let open = true;
    const traffic = Array.from({ length: 16 }, async () => {
      while (open) {
        try {
          const response = await post('GATEKEEPER', '/validate', token, {
            action: 'execute',
            resource: 'shells/l1/echo',
          });
          if (response.status === 200) answered.push(((await response.json()) as { audit_id: string }).audit_id);
        } catch {
          open = false;
        }
      }
    });
    const completions = Array.from({ length: 4 }, async () => {
      while (open) await complete(token).catch(() => undefined);
    });
    await waitFor('some traffic', () => answered.length > 300, 30_000).catch((error: unknown) => {
      open = false;
      throw error;
    });
    const code = await stack.stop('SIGTERM');
    open = false;
    await Promise.all([...traffic, ...completions]);
    expect(code).toBe(0);
    for (const port of Object.values(stack.ports)) expect(await listenerOn(port)).toBeUndefined();
    // A PostgreSQL whose pid file is gone may take a moment to end.
    await waitFor(
      'the end of all processes',
      () => !execFileSync('ps', ['-eo', 'args']).toString().includes(stack.home),
    );

    await stack.start();
    const gatekeeper = await stack.run('db-url', 'gatekeeper', '--role', 'superuser');
    const stored = await waitFor(
      'the trail',
      async () => {
        const rows = await query<{ id: string }>(gatekeeper, 'SELECT id FROM audit_log WHERE id = ANY($1)', [answered]);
        return rows.length >= answered.length && rows;
      },
      20_000,
    );
    expect(stored).toHaveLength(answered.length);
    // What the router recorded of completions came through another process: each intent has its outcome.
    await waitFor(
      'an outcome for each intent',
      async () => {
        const [calls] = await query<{ intended: number; ended: number }>(
          gatekeeper,
          `SELECT count(*) FILTER (WHERE result = 'ALLOWED')::int AS intended, count(*) FILTER (WHERE result <> 'ALLOWED')::int AS ended
           FROM audit_log WHERE service = 'router' AND action = 'inference'`,
        );
        return calls!.intended > 0 && calls!.intended === calls!.ended;
      },
      20_000,
    );
  }, 240_000);

  it('loses no audit event of an answered request to SIGKILL of the services that took it', async () => {
    const token = await stack.token('Scout');
    const answered: string[] = [];
    let open = true;
    // What a killed service does not answer is no answer.
    const traffic = Array.from({ length: 8 }, async () => {
      while (open)
        try {
          const response = await post('GATEKEEPER', '/validate', token, {
            action: 'execute',
            resource: 'shells/l1/echo',
          });
          if (response.status === 200) answered.push(((await response.json()) as { audit_id: string }).audit_id);
        } catch {
          await new Promise(setImmediate);
        }
    });
    const killTwice = async () => {
      for (let round = 0; round < 2; round++) {
        const before = answered.length;
        await waitFor('some traffic', () => answered.length > before + 200, 30_000);
        for (const service of ['GATEKEEPER', 'ROUTER'] as const)
          process.kill(await waitFor(service, () => listenerOn(stack.ports[service]), 30_000), 'SIGKILL');
        const meanwhile = answered.length;
        await waitFor('answers again', () => answered.length > meanwhile, 30_000);
      }
    };
    await killTwice().finally(() => (open = false));
    await Promise.all(traffic);
    await waitFor('completions to work again', async () => (await complete(token)).status === 200, 30_000);

    const superuser = await stack.run('db-url', 'gatekeeper', '--role', 'superuser');
    const stored = await waitFor(
      'the trail',
      async () => {
        const rows = await query<{ id: string }>(superuser, 'SELECT id FROM audit_log WHERE id = ANY($1)', [answered]);
        return rows.length >= answered.length && rows;
      },
      20_000,
    );
    expect(stored).toHaveLength(answered.length);
  }, 240_000);

  it('goes on through a PostgreSQL that is killed with SIGKILL under traffic, and loses nothing that was answered', async () => {
    const token = await stack.token('Scout');
    const listeners = () => Promise.all(Object.values(stack.ports).map(listenerOn));
    const before = await listeners();
    const began = stack.output.length;
    const answered: string[] = [];
    let open = true;
    const traffic = Array.from({ length: 8 }, async () => {
      while (open) {
        const response = await post('GATEKEEPER', '/validate', token, {
          action: 'execute',
          resource: 'shells/l1/echo',
        });
        if (response.status === 200) answered.push(((await response.json()) as { audit_id: string }).audit_id);
      }
    });
    const completions = Array.from({ length: 4 }, async () => {
      while (open) await complete(token);
    });
    const killPostgres = async () => {
      await waitFor('some traffic', () => answered.length > 200, 30_000);
      const said = stack.output.length;
      process.kill(Number((await readFile(`${stack.home}/postgres/postmaster.pid`, 'utf8')).split('\n')[0]), 'SIGKILL');
      // Services that were killed before are back, too.
      const isBack = () => /^postgres .*is back/m.test(stack.output.slice(said));
      await waitFor('the supervisor to notice', isBack, 30_000);
      const meanwhile = answered.length;
      await waitFor('traffic to go on', () => answered.length > meanwhile + 200, 30_000);
      await waitFor('completions to work again', async () => (await complete(token)).status === 200, 30_000);
    };
    await killPostgres().finally(() => (open = false));
    await Promise.all([...traffic, ...completions]);
    // No service ended for it.
    const ended = stack.output.slice(began).match(/^.* ended \(.*$/gm);
    expect({ ended, pids: await listeners() }).toEqual({ ended: null, pids: before });

    const superuser = await stack.run('db-url', 'gatekeeper', '--role', 'superuser');
    await waitFor(
      'all answered requests in the trail',
      async () => {
        const [row] = await query<{ n: number }>(
          superuser,
          'SELECT count(DISTINCT id)::int AS n FROM audit_log WHERE id = ANY($1)',
          [answered],
        );
        return row!.n === answered.length;
      },
      20_000,
    );
  }, 240_000);

  it('comes up again after everything was killed with SIGKILL, on the PostgreSQL that is still running', async () => {
    const lock = await readFile(`${stack.home}/run/supervisor.json`, 'utf8');
    const { pid: supervisor } = JSON.parse(lock) as { pid: number };
    const services = await Promise.all(Object.values(stack.ports).map((port) => listenerOn(port)));
    for (const pid of [supervisor, ...services]) process.kill(pid!, 'SIGKILL');
    await stack.stop();
    await stack.start();
    const token = await stack.token('Scout');
    await waitFor('a completion', async () => (await complete(token)).status === 200, 30_000);
  }, 240_000);

  it('starts without the one whose migration is broken, and says which and why', async () => {
    // As if a migration of the telemetry service met a table that it does not expect.
    const superuser = await stack.run('db-url', 'telemetry', '--role', 'superuser');
    await query(superuser, 'DROP TABLE migrations');
    expect(await stack.stop()).toBe(0);
    await stack.start();
    const except = /Gravitas is ready, except: telemetry \(.*migration \w+ failed: relation "\w+" already exists/;
    await waitFor('the whole line', () => stack.output.includes('\n', stack.output.indexOf('Gravitas is ready')));
    expect(stack.output).toMatch(except);
    const token = await stack.token('Scout');
    await waitFor('a completion', async () => (await complete(token)).status === 200, 30_000);
  }, 240_000);
});
