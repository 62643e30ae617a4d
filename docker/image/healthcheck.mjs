/** Exit 0 when this container's service answers GET /health/live, otherwise 1 and the reason. The image has no curl. */
import { get } from 'node:http';

const TIMEOUT_MS = 4000;

const app = process.env.GRAVITAS_APP;
const port = process.env[`${app?.toUpperCase()}_PORT`];

const request = get({ host: '127.0.0.1', port, path: '/health/live', timeout: TIMEOUT_MS }, (response) => {
  response.resume();
  if (response.statusCode !== 200) fail(`${app} answered ${response.statusCode}`);
});
request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
request.on('error', (error) => fail(`${app} on port ${port}: ${error.message}`));

function fail(reason) {
  console.error(reason);
  process.exitCode = 1;
}
