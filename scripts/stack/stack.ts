import { join } from 'node:path';
import { redactUrl } from '#database';
import { type App, APPS, type Env } from './apps.js';
import { databaseUrls, provisionApps, provisionedApps } from './databases.js';
import { ensureHome, type Home } from './home.js';
import { WARN } from './log-line.js';
import { takenPorts } from './ports.js';
import { PostgresWatch } from './postgres-watch.js';
import { StackPostgres } from './postgres.js';
import { type StackSecrets, stackSecrets } from './secrets.js';
import { serviceEnv } from './service-env.js';
import { type BootResult, ServiceProcess } from './service-process.js';
import { SupervisorLock } from './supervisor-lock.js';
import { type Terminal } from './terminal.js';

export interface StackOptions {
  checkout: string;
  home: Home;
  env: Env;
  terminal: Terminal;
  /** All of the services' log lines on the terminal, not only warnings and worse. */
  verbose: boolean;
}

export type BootReport = Record<App, BootResult>;

const READY_TIMEOUT_MS = 60_000;
const GRACE_MS = 22_000;
const HURRIED_GRACE_MS = 2_000;

/** Raised inside `boot` when the stack was asked to stop before it was up. */
export class StoppedWhileBooting extends Error {}

/** The whole local stack: PostgreSQL, databases, five services. Booted once, shut down once. */
export class Stack {
  /** The server that holds the databases of services without a URL of their own, once there is one. */
  serverUrl: string | undefined;
  private lock: SupervisorLock | undefined;
  private postgres: StackPostgres | undefined;
  private watch: PostgresWatch | undefined;
  private booting: Promise<BootReport> | undefined;
  private readonly services = new Map<App, ServiceProcess>();
  private stopping = false;
  private hurried = false;

  constructor(private readonly options: StackOptions) {}

  /**
   * Resolves when each service is ready or its first start has failed (it is started again in the background).
   * @throws Error, ProvisionError, EmbeddedPostgresError when the stack cannot run at all; call `shutdown` then, too.
   */
  boot(): Promise<BootReport> {
    this.booting ??= this.bootOnce();
    return this.booting;
  }

  private async bootOnce(): Promise<BootReport> {
    const { home, env, terminal } = this.options;
    await ensureHome(home);
    this.lock = await SupervisorLock.take(home, {
      say: (text) => terminal.say(text),
      isCancelled: () => this.stopping,
    });
    this.checkStopping();
    const taken = await takenPorts(env);
    if (taken.length > 0) throw new Error(taken.join('\n'));
    const secrets = await stackSecrets(home, env);
    const serverUrl = await this.startDatabase();
    this.serverUrl = serverUrl;
    this.checkStopping();
    await terminal.step(
      '[2/3] Databases and roles',
      async () => (serverUrl === undefined ? [] : provisionApps(serverUrl, home, env)),
      (made) => (made.length === 0 ? 'there already' : `${made.length} made`),
    );
    this.checkStopping();
    return this.startServices(serverUrl, secrets);
  }

  /** Stops what `boot` started, in order, however far it came. Never rejects for a service that has to be killed. */
  async shutdown(): Promise<void> {
    this.requestStop();
    for (const service of this.services.values()) service.retire();
    await this.lock?.setStopping();
    const grace = (): number => (this.hurried ? HURRIED_GRACE_MS : GRACE_MS);
    for (const app of APPS) await this.services.get(app)?.stop(grace);
    // A boot that was under way ends at its next step; it starts no more services by now.
    await this.booting?.catch(() => undefined);
    await this.watch?.close();
    await this.postgres?.stop();
    await this.lock?.release();
  }

  /** Makes a `boot` that is under way end at its next step. */
  requestStop(): void {
    this.stopping = true;
  }

  /** Shortens the time the services have left to end. */
  hurry(): void {
    this.hurried = true;
  }

  private async startDatabase(): Promise<string | undefined> {
    const { home, env, terminal } = this.options;
    const title = '[1/3] PostgreSQL';
    if (provisionedApps(env).length === 0) {
      await terminal.step(
        title,
        async () => undefined,
        () => 'each service has a DATABASE_URL of its own',
      );
      return undefined;
    }
    const given = env['GRAVITAS_POSTGRES_URL'];
    if (given) {
      await terminal.step(
        title,
        async () => undefined,
        () => `at ${redactUrl(given)}`,
      );
      return given;
    }
    const postgres = await StackPostgres.of(home);
    if (postgres.moved) terminal.say(`PostgreSQL's user cannot enter ${home.path}: its data is in ${postgres.dataDir}`);
    this.postgres = postgres;
    const { url } = await terminal.step(
      title,
      () => postgres.start(),
      ({ port, adopted }) => `${adopted ? 'still running from before, on' : 'ready on'} port ${port}`,
    );
    this.watch = new PostgresWatch(postgres, (text) => terminal.service('postgres', text));
    return url;
  }

  private async startServices(serverUrl: string | undefined, secrets: StackSecrets): Promise<BootReport> {
    const { terminal } = this.options;
    terminal.say('[3/3] Services ...');
    const started = performance.now();
    const boot = async (app: App): Promise<[App, BootResult]> => {
      const service = await this.makeService(app, serverUrl, secrets);
      this.checkStopping();
      this.services.set(app, service);
      const result = await service.start(READY_TIMEOUT_MS);
      const after = `${((performance.now() - started) / 1000).toFixed(1)} s`;
      if (result.ready) terminal.service(app, `ready (${after})`);
      else if (!this.stopping) terminal.service(app, `failed: ${result.reason}`);
      return [app, result];
    };
    // Each waits for the gatekeeper as long as it has to, so they need no order to start in.
    const results = await Promise.all([...APPS].reverse().map(boot));
    this.checkStopping();
    return Object.fromEntries(results) as BootReport;
  }

  private async makeService(app: App, serverUrl: string | undefined, secrets: StackSecrets): Promise<ServiceProcess> {
    const { checkout, home, env, terminal, verbose } = this.options;
    const urls = await databaseUrls(app, serverUrl, home, env);
    return new ServiceProcess({
      name: app,
      script: join(checkout, 'dist', 'apps', app, 'src', 'main.js'),
      cwd: checkout,
      env: serviceEnv(app, { env, home, secrets, urls }),
      logPath: join(home.logs, `${app}.log`),
      onLine: ({ level, text }) => {
        if (verbose || level === undefined || level >= WARN) terminal.service(app, text, level);
      },
      onNews: (text) => terminal.service(app, text),
      onPid: (pid) => {
        this.lock?.setChild(app, pid).catch((error: Error) => terminal.complain(error.message));
      },
    });
  }

  private checkStopping(): void {
    if (this.stopping) throw new StoppedWhileBooting();
  }
}
