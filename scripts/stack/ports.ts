import { isPortFree } from '#embedded-postgres';
import { type App, APPS, type Env, portOf, variable } from './apps.js';
import { commandLine, listenerOn } from './process-info.js';

/**
 * One line for each service whose port is taken: which, by what, and what to do. Empty when all are free.
 * Also reports two services that were given the same port.
 */
export async function takenPorts(env: Env): Promise<string[]> {
  const ports = APPS.map((app) => [app, portOf(app, env)] as const);
  const lines: (string | undefined)[] = [];
  // One after the other: trying a port takes it for a moment.
  for (const [app, port] of ports) lines.push(await check(app, port));
  const twice = ports.flatMap(([app, port], index) => {
    const other = ports.slice(0, index).find(([, taken]) => taken === port)?.[0];
    return other ? [`Port ${port} is given to both ${other} and ${app}: change ${variable(app, 'PORT')}.`] : [];
  });
  return [...lines.filter((line) => line !== undefined), ...twice];
}

async function check(app: App, port: number): Promise<string | undefined> {
  if (await isPortFree(port)) return undefined;
  const pid = await listenerOn(port);
  const holder = pid === undefined ? 'another process' : `pid ${pid} (${shorten(await commandLine(pid))})`;
  return `Port ${port} (${app}) is taken by ${holder}. Stop it, or choose another port with ${variable(app, 'PORT')}.`;
}

function shorten(command: string): string {
  if (command === '') return 'unknown command';
  return command.length > 120 ? `${command.slice(0, 117)}...` : command;
}
