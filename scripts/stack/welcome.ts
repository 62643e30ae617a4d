import { type App, APPS, type Env } from './apps.js';
import { serviceUrl } from './service-env.js';
import { type BootReport } from './stack.js';

/** What `npm start` prints once the services are up: a table of URLs and a first request that works as it stands. */
export function welcome(report: BootReport, env: Env, postgres: string | undefined, token: string): string {
  const rows = [...APPS].map((app) => [app, serviceUrl(app, env), report[app].ready ? 'ready' : 'failed'] as const);
  const table = [
    ['service', 'url', 'status'] as const,
    ...rows,
    ...(postgres === undefined ? [] : [['postgres', postgres, 'npm run db:url -- APP'] as const]),
  ];
  const widths = [0, 1].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map(
    ([name, url, status]) => `  ${name.padEnd(widths[0] ?? 0)}  ${url.padEnd(widths[1] ?? 0)}  ${status}`,
  );
  return ['', ...lines, '', 'Try it:', '', firstCurl(serviceUrl('lobby', env), token), ''].join('\n');
}

/** `Gravitas is ready`, and which services are not. */
export function readyLine(report: BootReport): string {
  const failed = APPS.map((app: App) => [app, report[app]] as const).flatMap(([app, result]) =>
    result.ready ? [] : [`${app} (${result.reason})`],
  );
  return failed.length === 0
    ? 'Gravitas is ready. Ctrl-C stops it.'
    : `Gravitas is ready, except: ${failed.join(', ')}`;
}

function firstCurl(lobby: string, token: string): string {
  const body = JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: 'Hello, Gravitas!' }] });
  const headers = `-H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json'`;
  return `curl -s ${lobby}/v1/chat/completions ${headers} -d '${body}'`;
}
