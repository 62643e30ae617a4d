import { SplitError } from '#decomposition';
import { APPS, isApp } from '../stack/apps.js';
import { urlSettings } from '../stack/service-env.js';
import { typeormCli } from '../stack/typeorm-cli.js';

/** Brings the database of the URL, as its owner, to the latest schema of the service. @throws SplitError `refused`, `invalid_plan` */
export async function runMigrations(service: string, url: string): Promise<void> {
  if (!isApp(service))
    throw new SplitError(
      'invalid_plan',
      `${service} has no migrations here.`,
      `Set \`schema: clone\` in the plan; migrations have: ${APPS.join(', ')}.`,
    );
  const settings = urlSettings(service, { runtime: url, owner: url });
  const code = await typeormCli({ app: service, action: 'run', settings, output: 'stderr' });
  if (code !== 0)
    throw new SplitError('refused', `The migrations of ${service} failed with ${code}.`, 'What is wrong stands above.');
}
