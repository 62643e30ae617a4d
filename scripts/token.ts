import { Command } from 'commander';
import { ensureHome, locateHome } from './stack/home.js';
import { stackSecrets } from './stack/secrets.js';
import { makeToken, parseTtl } from './stack/token.js';
import { runScript } from './stack/run-script.js';

/** `npm run token -- --ghost NAME`: a JWT for the local stack, alone on stdout. Works before the stack ever ran. */
interface Options {
  ghost: string;
  groups?: string;
  ttl: string;
  tenant?: string;
}

await runScript(async () => {
  const { ghost, groups, ttl, tenant } = new Command('token')
    .description("Prints an agent's JWT for the local stack.")
    .requiredOption('--ghost <name>', 'whose token: Scout, Librarian, ...')
    .option('--groups <a,b>', 'groups it claims; without, the policy file says')
    .option('--ttl <time>', 'how long it is valid: 30s, 15m, 1h, 7d', '1h')
    .option('--tenant <tenant>', 'the tenant it belongs to')
    .parse()
    .opts<Options>();
  const home = await locateHome(process.cwd(), process.env);
  await ensureHome(home);
  const { jwtSecretKey } = await stackSecrets(home, process.env);
  const names = groups
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const request = { ghost, groups: names, tenant, ttlSeconds: parseTtl(ttl) };
  process.stdout.write(`${await makeToken(request, jwtSecretKey, process.env)}\n`);
});
