import { escapeIdentifier } from 'pg';
import { SplitError } from '../errors.js';
import { labelOf, type SchemaObject } from '../describe/schema-object.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';

/**
 * Makes objects on the target, in the order given, as property of the service's owner. Each is a transaction: whatever comes between two
 * of them, the next run finds what is there and makes the rest.
 *
 * @throws SplitError `refused` with what PostgreSQL says, `interrupted`
 */
export async function makeObjects(move: Move, objects: readonly SchemaObject[]): Promise<void> {
  const owner = escapeIdentifier(move.service.owner.name);
  const made = objects.filter(({ make }) => make !== null && make !== '');
  for (const [index, object] of made.entries()) {
    if (move.signal.aborted)
      throw new SplitError(
        'interrupted',
        `Stopped before ${labelOf(object)}.`,
        'Run `create` again: it goes on from there.',
      );
    move.progress.at('schema', index, made.length, 'objects');
    try {
      await inTransaction(move.databases.target, async (client) => {
        await client.query(`SET LOCAL search_path = pg_catalog; SET LOCAL check_function_bodies = off`);
        // An extension may be one that takes an administrator.
        if (object.kind !== 'extension') await client.query(`SET LOCAL ROLE ${owner}`);
        await client.query(object.make!);
      });
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code?.length !== 5) throw error;
      throw new SplitError(
        'refused',
        `${labelOf(object)} cannot be made on the target: PostgreSQL says "${message}".`,
        'Make what it needs in the target database, or set `schema: migrations` in the plan, and run `create` again.',
        { cause: error },
      );
    }
  }
}
