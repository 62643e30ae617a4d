import { DatabaseTrail } from '../../apps/gatekeeper/src/notary/core/index.js';
import { errorMessage } from '#errors';
import { type Env } from '../stack/apps.js';
import { ensureHome, locateHome, type Home } from '../stack/home.js';
import { urlFor } from '../stack/role-url.js';

/** Who reads the whole trail, and its logs, on the local stack. */
const ROLE = 'notary';

export async function homeOf(env: Env): Promise<Home> {
  const home = await locateHome(process.cwd(), env);
  await ensureHome(home);
  return home;
}

/** @param url of the gatekeeper's database, if not the local stack's @throws Error saying why it cannot be read */
export async function openDatabaseTrail(
  url: string | undefined,
  tenant: string | undefined,
  env: Env,
): Promise<DatabaseTrail> {
  const own = url ?? (await urlFor('gatekeeper', ROLE, await homeOf(env), env));
  try {
    return await DatabaseTrail.open({ url: own, tenant });
  } catch (error) {
    throw new Error(`Cannot read the trail: ${errorMessage(error, 0)}`, { cause: error });
  }
}
