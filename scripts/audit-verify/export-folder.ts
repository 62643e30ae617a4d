import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorMessage } from '#errors';
import { type StoredSeal, type TenantLog, type Trail } from '../../apps/gatekeeper/src/notary/core/index.js';
import { FolderResources } from './resources.js';
import { TiledLog } from './tiled-log.js';

/**
 * The folder that `audit:export` writes, and a web server can serve:
 *
 *     manifest.json               whose logs there are, and where
 *     seals/2026-10.json          months that were sealed
 *     tlog/<tenant>/checkpoint, tile/<level>/..., tile/entries/...
 *     tlog/<tenant>/checkpoints.ndjson     all checkpoints that were kept, `{size, note}` in each line
 */
export const MANIFEST = 'manifest.json';
export const SEALS = 'seals';
export const CHECKPOINTS = 'checkpoints.ndjson';
const FORMAT = 'gravitas-audit-export/v1';

const folderManifest = z.object({
  format: z.literal(FORMAT),
  /** The log's verifier key, as the log has it: whoever verifies takes it from somewhere else. */
  key: z.string(),
  tenants: z.record(
    z.string(),
    z.object({ folder: z.string().regex(/^tlog\/[a-z0-9_~-][a-z0-9._~-]*$/), size: z.number() }),
  ),
});
export type Manifest = Omit<z.output<typeof folderManifest>, 'format'>;

const storedSeal = z.object({ month: z.string(), statement: z.string(), note: z.string() });

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify({ format: FORMAT, ...manifest }, undefined, 2)}\n`;
}

/** The same as in a URL where that can be a file's name anywhere; of other names the digest. */
export function tenantFolder(tenant: string): string {
  const plain = /^[a-z0-9_~-][a-z0-9._~-]{0,99}$/.test(tenant) && !tenant.startsWith('sha256-');
  return `tlog/${plain ? tenant : `sha256-${hash('sha256', tenant)}`}`;
}

/** @throws Error when it is not the folder of an export */
export async function readManifest(folder: string): Promise<Manifest> {
  try {
    return folderManifest.parse(JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')));
  } catch (error) {
    const why = error instanceof z.ZodError ? 'its manifest.json is not one of this release' : errorMessage(error, 0);
    throw new Error(`${folder} is not a folder that npm run audit:export has written, or not a whole one: ${why}`, {
      cause: error,
    });
  }
}

/** The logs in an exported folder. Nothing in it is believed before its signature is checked. */
export class FolderTrail implements Trail {
  private constructor(
    private readonly folder: string,
    private readonly manifest: Manifest,
    private readonly stored: readonly StoredSeal[],
  ) {}

  static async open(folder: string): Promise<FolderTrail> {
    const manifest = await readManifest(folder);
    const names = (await readdir(join(folder, SEALS)).catch(() => [])).filter((name) => name.endsWith('.json')).sort();
    const seals: StoredSeal[] = [];
    for (const name of names) {
      const parsed = storedSeal.safeParse(jsonOrNothing(await readFile(join(folder, SEALS, name), 'utf8')));
      seals.push(parsed.data ?? { month: name.slice(0, -'.json'.length), statement: '', note: '' });
    }
    return new FolderTrail(folder, manifest, seals);
  }

  tenants(): readonly string[] {
    return Object.keys(this.manifest.tenants);
  }

  log(tenant: string): TenantLog {
    const path = Object.hasOwn(this.manifest.tenants, tenant)
      ? this.manifest.tenants[tenant]!.folder
      : tenantFolder(tenant);
    return new TiledLog(new FolderResources(join(this.folder, path)), CHECKPOINTS);
  }

  seals(): readonly StoredSeal[] {
    return this.stored;
  }
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
