import { Command } from 'commander';
import { provisionApps } from './stack/databases.js';
import { ensureHome, locateHome } from './stack/home.js';
import { runScript } from './stack/run-script.js';

/**
 * `node scripts/run.mjs setup`: databases and roles on a server of your own, for example before the services' containers
 * start. Passwords come from <APP>_OWNER_PASSWORD and <APP>_RUNTIME_PASSWORD, or are made and kept in the home.
 */
await runScript(async () => {
  new Command('setup')
    .description("Makes the services' databases and roles on the server that GRAVITAS_POSTGRES_URL names. Idempotent.")
    .parse();
  const url = process.env['GRAVITAS_POSTGRES_URL'];
  if (!url)
    throw new Error('Set GRAVITAS_POSTGRES_URL to a URL with a superuser, or a role with CREATEDB and CREATEROLE.');
  const home = await locateHome(process.cwd(), process.env);
  await ensureHome(home);
  const made = await provisionApps(url, home, process.env);
  process.stdout.write(`${[...made, 'Databases and roles are as they should be.'].join('\n')}\n`);
});
