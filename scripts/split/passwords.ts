import { SplitError, type Login, type ServicePlan } from '#decomposition';
import { type Env } from '../stack/apps.js';

/**
 * The passwords of a service's logins, from the variables that the plan names.
 *
 * @throws SplitError `invalid_plan` naming all variables that are not set
 */
export function passwordsOf({ name, owner, runtime, further }: ServicePlan, env: Env): (login: Login) => string {
  const variables = [owner, runtime, ...further].map((login) => login.password_env);
  const missing = [...new Set(variables)].filter((variable) => !env[variable]);
  if (missing.length > 0)
    throw new SplitError(
      'invalid_plan',
      `The logins of ${name} have no passwords: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not set.`,
      'Set them in the environment, or in .env.',
    );
  return (login) => env[login.password_env]!;
}
