import { DEFAULT_PORTS, SERVICES, type ServiceName } from '#contracts';

/** The five services, in the order in which they are stopped: the others send the gatekeeper their last audit batches. */
export const APPS = SERVICES;

export type App = ServiceName;

export type Env = Readonly<Record<string, string | undefined>>;

export function isApp(name: string): name is App {
  return (APPS as readonly string[]).includes(name);
}

/** `GATEKEEPER_PORT` for ('gatekeeper', 'PORT'). */
export function variable(app: App, name: string): string {
  return `${app.toUpperCase()}_${name}`;
}

/** @throws Error naming the variable when it is no port number. */
export function portOf(app: App, env: Env): number {
  const text = env[variable(app, 'PORT')];
  if (text === undefined || text === '') return DEFAULT_PORTS[app];
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`${variable(app, 'PORT')} must be a port number from 1 to 65535; it is "${text}".`);
}
