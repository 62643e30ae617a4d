import { type AuditLogger } from '#audit';
import { waitFor } from '#testing';

/** Opens a logger on a directory whose last logger has closed: a slow disk may keep that from letting go for some moments more. */
export function onceFree(open: () => Promise<AuditLogger>): Promise<AuditLogger> {
  return waitFor('the spool directory', () => open().catch(ignoreHeld), 20_000);
}

function ignoreHeld(error: unknown): undefined {
  if ((error as { code?: unknown }).code !== 'spool_held') throw error;
  return undefined;
}
