import { SplitError, type ServicePlan } from '#decomposition';
import { APPS, isApp } from '../stack/apps.js';
import { urlSettings } from '../stack/service-env.js';
import { typeormCli } from '../stack/typeorm-cli.js';

/** Brings the database of the URL, as its owner, to the latest schema of the service. @throws SplitError `refused`, `invalid_plan` */
export async function runMigrations({ name, runtime }: ServicePlan, url: string): Promise<void> {
  if (!isApp(name))
    throw new SplitError(
      'invalid_plan',
      `${name} has no migrations here.`,
      `Set \`schema: clone\` in the plan; migrations have: ${APPS.join(', ')}.`,
    );
  const settings = urlSettings(name, { owner: url, runtime: runtimeUrl(url, runtime.name) });
  const code = await typeormCli({ app: name, action: 'run', settings, output: 'stderr' });
  if (code !== 0)
    throw new SplitError('refused', `The migrations of ${name} failed with ${code}.`, 'What is wrong stands above.');
}

/** Nobody connects to it: it says to whom migrations grant rights. */
function runtimeUrl(ownerUrl: string, role: string): string {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = '';
  return url.href;
}
