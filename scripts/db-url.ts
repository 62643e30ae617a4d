import { Command } from 'commander';
import { APPS, isApp } from './stack/apps.js';
import { ensureHome, locateHome } from './stack/home.js';
import { roleChoices, urlFor } from './stack/role-url.js';
import { runScript } from './stack/run-script.js';

/** `npm run db:url -- APP`: a connection URL, alone on stdout, for psql and other tools. */
await runScript(async () => {
  const command = new Command('db:url')
    .description("Prints a connection URL to one service's database on the local stack.")
    .argument('<app>', APPS.join(', '))
    .option(
      '--role <role>',
      roleChoices('gatekeeper').join(', ') + ' (reader and notary: of the gatekeeper)',
      'runtime',
    )
    .parse();
  const [app = ''] = command.args;
  if (!isApp(app)) throw new Error(`There is no service "${app}". There are: ${APPS.join(', ')}.`);
  const home = await locateHome(process.cwd(), process.env);
  await ensureHome(home);
  process.stdout.write(`${await urlFor(app, command.opts<{ role: string }>().role, home, process.env)}\n`);
});
