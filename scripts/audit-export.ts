import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { writeLog, place } from './audit-export/write-log.js';
import { openDatabaseTrail } from './audit-verify/database.js';
import {
  MANIFEST,
  manifestText,
  readManifest,
  SEALS,
  tenantFolder,
  type Manifest,
} from './audit-verify/export-folder.js';
import { ProgressBar } from './audit-verify/progress.js';
import { readIfPresent } from './stack/atomic-file.js';
import { runScript } from './stack/run-script.js';

/** `npm run audit:export`: the transparency log in a folder that can be verified alone, anywhere, and served by any web server. */
interface Options {
  dir: string;
  database?: string;
  tenant?: string;
}

const FAILED = 2;

await runScript(async () => {
  const options = new Command('audit:export')
    .description(
      'Writes the transparency logs, and the events in them, into a folder that npm run audit:verify -- --dir verifies offline.\n' +
        'It can be interrupted and run again: what is there is kept, and what is new is added.',
    )
    .requiredOption('--dir <directory>', 'where to')
    .option('--tenant <tenant>', 'the log of this tenant only')
    .option('--database <url>', "the gatekeeper's database, as the notary or a superuser, if not the local stack's")
    .addHelpText('after', '\nExit code 0: all of it is in the folder; 2: it is not, and why.')
    .exitOverride()
    .parse()
    .opts<Options>();
  const folder = resolve(options.dir);
  const trail = await openDatabaseTrail(options.database, options.tenant, process.env);
  const bar = new ProgressBar();
  try {
    if (trail.key === null) throw new Error('There is no log yet: nothing was sequenced.');
    const tenants: Manifest['tenants'] = await formerTenants(folder, trail.key);
    for (const seal of trail.seals())
      await place(join(folder, SEALS, `${seal.month}.json`), `${JSON.stringify(seal, undefined, 2)}\n`);
    let events = 0;
    for (const tenant of options.tenant === undefined ? trail.tenants() : [options.tenant]) {
      const path = tenantFolder(tenant);
      const written = await writeLog(trail.log(tenant), join(folder, path), (leaves, size) =>
        bar.show({ tenant, leaves, size }),
      );
      if (written.size === 0) continue;
      events += written.events;
      tenants[tenant] = { folder: path, size: written.size };
      await place(join(folder, MANIFEST), manifestText({ key: trail.key, tenants }));
    }
    bar.end();
    const sizes = Object.values(tenants).map(({ size }) => size);
    process.stdout.write(
      `${folder}: ${sizes.length} logs with ${sizes.reduce((sum, size) => sum + size, 0)} events, ${events} of them written now\n` +
        `npm run audit:verify -- --dir ${options.dir} --key KEY    verifies them, anywhere\n`,
    );
    return 0;
  } finally {
    bar.end();
    await trail.close();
  }
}, FAILED);

/** @throws Error when the folder is one of another log */
async function formerTenants(folder: string, key: string): Promise<Manifest['tenants']> {
  if ((await readIfPresent(join(folder, MANIFEST))) === undefined) return {};
  const manifest = await readManifest(folder);
  if (manifest.key !== key)
    throw new Error(
      `${folder} is an export of the log ${manifest.key}, and this one is ${key}. Name another folder with --dir.`,
    );
  return manifest.tenants;
}
