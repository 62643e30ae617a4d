import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connectionUrl, serviceDatabase, type DatabaseSpec } from '#database';
import { canReach, EmbeddedPostgres, postgresIdentity } from '#embedded-postgres';
import { createFile, readIfPresent, replaceFile } from './atomic-file.js';
import { type App, type Env, variable } from './apps.js';
import { type Home, shortHash } from './home.js';
import { rolePassword } from './secrets.js';

const PREFERRED_PORT = 15_432;

export interface StartedStackPostgres {
  url: string;
  port: number;
  adopted: boolean;
}

/** The embedded server of one home. */
export class StackPostgres {
  private constructor(
    private readonly home: Home,
    readonly dataDir: string,
    /** True when PostgreSQL's user cannot enter the home, so that the data lies elsewhere. */
    readonly moved: boolean,
  ) {}

  static async of(home: Home): Promise<StackPostgres> {
    const dataDir = await locateData(home);
    return new StackPostgres(home, dataDir, dataDir !== join(home.path, 'postgres'));
  }

  async start(): Promise<StartedStackPostgres> {
    const server = await this.server();
    const { url, port, adopted } = await server.start();
    await replaceFile(portFile(this.home), `${port}\n`);
    return { url, port, adopted };
  }

  async stop(): Promise<void> {
    await (await this.server()).stop();
  }

  async isRunning(): Promise<boolean> {
    return (await (await this.server()).status()) !== undefined;
  }

  private async server(): Promise<EmbeddedPostgres> {
    return new EmbeddedPostgres({
      dataDir: this.dataDir,
      password: await rolePassword(this.home, 'postgres'),
      port: (await lastPort(this.home)) ?? PREFERRED_PORT,
    });
  }
}

/** The names and passwords of one service's database and roles on the local stack. */
export function databaseSpec(home: Home, app: App, env: Env = {}): Promise<DatabaseSpec> {
  return serviceDatabase(app, `gravitas_${app}`, (role, name) => {
    return env[variable(app, `${role.toUpperCase()}_PASSWORD`)] || rolePassword(home, name);
  });
}

/** Superuser's URL of the embedded server as it last ran; undefined when it never did. */
export async function lastServerUrl(home: Home): Promise<string | undefined> {
  const port = await lastPort(home);
  if (port === undefined) return undefined;
  const password = await rolePassword(home, 'postgres');
  return connectionUrl(`postgresql://127.0.0.1:${port}/postgres`, { user: 'postgres', password });
}

async function lastPort(home: Home): Promise<number | undefined> {
  const port = Number(await readIfPresent(portFile(home)));
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

const portFile = (home: Home): string => join(home.run, 'postgres-port');

/**
 * In the home, unless PostgreSQL's user cannot get there (root's home, a private temporary directory). The other place is
 * remembered in the home, and has a random part: a home that is made anew does not meet the data of the old one.
 */
async function locateData(home: Home): Promise<string> {
  const pointer = join(home.path, 'postgres-location');
  const remembered = (await readIfPresent(pointer))?.trim();
  if (remembered) return remembered;
  if (await canReach(home.path, await postgresIdentity())) return join(home.path, 'postgres');
  const parent = join('/var/lib/gravitas', `${shortHash(home.path)}-${randomBytes(3).toString('hex')}`);
  await mkdir(parent, { recursive: true });
  for (const directory of ['/var/lib/gravitas', parent]) await chmod(directory, 0o711);
  await createFile(pointer, `${join(parent, 'postgres')}\n`);
  return join(parent, 'postgres');
}
