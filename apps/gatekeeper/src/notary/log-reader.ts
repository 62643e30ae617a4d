import { Injectable } from '@nestjs/common';
import { type AuditEvent, type LogConsistency, type EventProof } from '#contracts';
import { ServiceError } from '#errors';
import {
  canonicalStoredEvent,
  consistencyProof,
  encodeBundle,
  eventProof,
  inclusionProof,
  leafEntry,
  TILE_WIDTH,
  TileHashReader,
  tileWidth,
  toBase64,
  verifyEventProof,
  type Bundle,
  type StoredEvent,
  type Tile,
} from '#tlog';
import { TrailReader } from '../audit/trail-reader.js';
import { withCosignatures } from './core/cosignature-table.js';
import { placeOf } from './core/event-place.js';
import { readEvents, readLeaves, readTrees, TileTable, type Query, type TreeRow } from './core/log-tables.js';
import { Notary } from './notary.js';

const HASH_BYTES = 32;

/** `proof` is there once the event is in the log. */
export type ProofState = { state: 'unknown' | 'pending' | 'unlogged' } | { state: 'proven'; proof: EventProof };

/** Reads one tenant's log, as the role that row-level security holds to that tenant. */
@Injectable()
export class LogReader {
  constructor(
    private readonly trail: TrailReader,
    private readonly notary: Notary,
  ) {}

  /** The newest checkpoint, with the cosignatures that there are. @throws ServiceError not_found */
  checkpoint(tenant: string): Promise<string> {
    return this.trail.within(tenant, async (query) => {
      const { size, checkpoint } = await existingTree(query, tenant);
      return withCosignatures(query, tenant, size, checkpoint);
    });
  }

  /** @throws ServiceError internal when what is stored does not make a proof: it was changed */
  proof(tenant: string, id: string): Promise<ProofState> {
    return this.trail.within(tenant, async (query): Promise<ProofState> => {
      const place = await placeOf(query, tenant, id);
      if (place === undefined) return { state: 'unknown' };
      if (place.state !== 'logged') return { state: place.state };
      const { size, checkpoint } = await existingTree(query, tenant);
      const note = await withCosignatures(query, tenant, size, checkpoint);
      try {
        const hashes = new TileHashReader(size, new TileTable(query, tenant));
        const { index } = place;
        const proof = await inclusionProof(hashes, index, size);
        const made = eventProof(toEvent(place.row), { index, proof, checkpoint: note });
        // What goes out is what any verifier will accept.
        verifyEventProof(made, this.notary.verifierOf(tenant));
        return { state: 'proven', proof: made };
      } catch (error) {
        throw damaged(error);
      }
    });
  }

  /** @param to the newest size when undefined. @throws ServiceError invalid, not_found */
  consistency(tenant: string, from: number, to: number | undefined): Promise<LogConsistency> {
    return this.trail.within(tenant, async (query) => {
      const tree = await existingTree(query, tenant);
      const end = to ?? tree.size;
      if (end > tree.size) throw invalid('beyond_log', `to: the log has ${tree.size} leaves`);
      if (from > end) throw invalid('invalid_request', `from: must not be more than ${end}, where the proof ends`);
      const proof = await consistencyProof(new TileHashReader(end, new TileTable(query, tenant)), from, end);
      const note = end === tree.size ? tree.checkpoint : await checkpointOf(query, tenant, end);
      return {
        from,
        to: end,
        proof: proof.map(toBase64),
        checkpoint: note === undefined ? null : await withCosignatures(query, tenant, end, note),
      };
    });
  }

  /** The tile's bytes, as many hashes as asked for. @throws ServiceError not_found */
  tile(tenant: string, tile: Tile): Promise<Buffer> {
    return this.trail.within(tenant, async (query) => {
      await requireWidth(query, tenant, tile);
      const table = new TileTable(query, tenant);
      const [bytes] = await table.readTiles([tile]).catch((error: unknown) => {
        throw damaged(error);
      });
      return bytes!.subarray(0, tile.width * HASH_BYTES);
    });
  }

  /** The entries of leaves, made anew from their events. @throws ServiceError not_found */
  bundle(tenant: string, bundle: Bundle): Promise<Buffer> {
    return this.trail.within(tenant, async (query) => {
      await requireWidth(query, tenant, { ...bundle, level: 0 });
      const from = bundle.index * TILE_WIDTH;
      const leaves = await readLeaves(query, tenant, from, from + bundle.width);
      const events = await readEvents(
        query,
        leaves.map(({ id }) => id),
        leaves.map(({ time }) => time),
      );
      const rows = leaves.map(({ id }) => events.get(id));
      if (rows.length < bundle.width || rows.includes(undefined))
        throw new ServiceError('not_found', 'bundle_dropped', 'An event of this bundle is not in the trail any more');
      try {
        return encodeBundle(rows.map((row) => leafEntry(canonicalStoredEvent(row!))));
      } catch (error) {
        throw damaged(error);
      }
    });
  }
}

async function existingTree(query: Query, tenant: string): Promise<TreeRow> {
  const tree = (await readTrees(query, [tenant])).get(tenant);
  if (!tree)
    throw new ServiceError('not_found', 'no_checkpoint', `The tenant '${tenant}' has no events in its log yet`);
  return tree;
}

async function checkpointOf(query: Query, tenant: string, size: number): Promise<string | undefined> {
  const [row] = await query<{ note: string }>(
    'SELECT note FROM tlog_checkpoints WHERE tenant_id = $1 AND size = $2::bigint',
    [tenant, size],
  );
  return row?.note;
}

async function requireWidth(query: Query, tenant: string, { level, index, width }: Tile): Promise<void> {
  const tree = (await readTrees(query, [tenant])).get(tenant);
  const there = tileWidth(level, index, tree?.size ?? 0);
  if (width > there)
    throw new ServiceError('not_found', 'tile_not_found', `The tile has ${there} hashes by now, not ${width}`);
}

/** As the search API writes it: milliseconds are enough where there is nothing below them. */
function toEvent({ entities, metadata, sequence, timestamp, ...row }: StoredEvent): AuditEvent {
  return {
    ...row,
    result: row.result as AuditEvent['result'],
    timestamp: timestamp.replace(/000Z$/, 'Z'),
    entities: JSON.parse(entities) as AuditEvent['entities'],
    metadata: JSON.parse(metadata) as AuditEvent['metadata'],
    sequence: sequence === null ? null : Number(sequence),
  };
}

function invalid(code: string, detail: string): ServiceError {
  return new ServiceError('invalid', code, detail);
}

function damaged(cause: unknown): ServiceError {
  if (cause instanceof ServiceError) return cause;
  const detail = 'The event or its log is not as it was written; `npm run audit:verify` names the place';
  return new ServiceError('internal', 'log_damaged', detail, { cause });
}
