import { type StoredSeal, type TenantLog, type Trail } from '../../apps/gatekeeper/src/notary/core/index.js';
import { HttpResources } from './resources.js';
import { TiledLog } from './tiled-log.js';

/** The logs of some tenants as a gatekeeper serves them, or a web server an exported folder: below `/v1/audit/tlog/<tenant>/`. */
export class ServiceTrail implements Trail {
  constructor(
    private readonly url: string,
    private readonly names: readonly string[],
    private readonly token: string | undefined,
  ) {}

  tenants(): readonly string[] {
    return this.names;
  }

  /** @throws Error for a name that no URL can have */
  log(tenant: string): TenantLog {
    if (tenant === '.' || tenant === '..')
      throw new Error(`The tenant "${tenant}" cannot be asked for by HTTP: verify the database, or an export.`);
    const base = `${this.url.replace(/\/+$/, '')}/v1/audit/tlog/${encodeURIComponent(tenant)}/`;
    return new TiledLog(new HttpResources(base, this.token));
  }

  seals(): readonly StoredSeal[] {
    return [];
  }
}
