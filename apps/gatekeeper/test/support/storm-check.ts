import {
  canonicalStoredEvent,
  Frontier,
  leafEntry,
  leafHash,
  openCheckpoint,
  sameHash,
  tenantOrigin,
  type Hash,
  type NoteVerifier,
} from '#tlog';
import { readEvents, readLeaves, type Query } from '../../src/notary/core/log-tables.js';

export interface StormFindings {
  events: number;
  checkpoints: number;
  /** What is wrong; the first hundred. */
  problems: string[];
}

const BATCH = 1000;
const MAX_PROBLEMS = 100;

/**
 * Makes each tenant's tree anew from its rows, and holds it against what was acknowledged and against all checkpoints: those that are kept and
 * those that somebody has seen meanwhile.
 *
 * @param acknowledged tenants by the event's id
 * @param seen notes that were visible at some time
 * @param only looks at this tenant alone
 */
export async function checkLog(
  query: Query,
  verifier: NoteVerifier,
  acknowledged: ReadonlyMap<string, string>,
  seen: ReadonlyMap<string, ReadonlySet<string>>,
  only?: string,
): Promise<StormFindings> {
  const findings: StormFindings = { events: 0, checkpoints: 0, problems: [] };
  const report = (problem: string) => findings.problems.length < MAX_PROBLEMS && findings.problems.push(problem);
  const missing = new Map([...acknowledged].filter(([, tenant]) => tenant === (only ?? tenant)));
  const trees = await query<{ tenant_id: string; size: string }>(
    'SELECT tenant_id, size FROM tlog_trees WHERE tenant_id = coalesce($1, tenant_id)',
    [only ?? null],
  );
  for (const { tenant_id: tenant, size } of trees) {
    const log = verifier.named(tenantOrigin(verifier.name, tenant));
    const roots = new Map<number, Hash>();
    for (const note of new Set([...(await keptNotes(query, tenant)), ...(seen.get(tenant) ?? [])])) {
      const { size: at, root } = openCheckpoint(note, log);
      const other = roots.get(at);
      if (other && !sameHash(other, root)) report(`${tenant}: two checkpoints of size ${at}`);
      roots.set(at, root);
      findings.checkpoints++;
    }
    if (!roots.has(Number(size))) report(`${tenant}: no checkpoint of its size ${size}`);
    const frontier = new Frontier();
    for await (const { index, id, hash } of leavesOf(query, tenant)) {
      findings.events++;
      if (index !== frontier.size) report(`${tenant}: leaf ${index} where ${frontier.size} is due`);
      if (missing.get(id) !== tenant) report(`${tenant}: leaf ${index} is ${id}, which is twice, or not of it`);
      missing.delete(id);
      if (hash) frontier.append(hash);
      else report(`${tenant}: the event of leaf ${index} is gone`);
      const root = roots.get(frontier.size);
      if (root && !sameHash(root, frontier.root())) report(`${tenant}: another root at ${frontier.size}`);
      roots.delete(frontier.size);
    }
    for (const beyond of roots.keys()) report(`${tenant}: a checkpoint of ${beyond}, and ${frontier.size} leaves`);
    if (frontier.size !== Number(size)) report(`${tenant}: ${frontier.size} leaves where there should be ${size}`);
  }
  for (const [id, tenant] of missing) report(`${tenant}: ${id} is in no tree`);
  return findings;
}

async function keptNotes(query: Query, tenant: string): Promise<string[]> {
  const rows = await query<{ note: string }>(
    `SELECT note FROM tlog_checkpoints WHERE tenant_id = $1
     UNION SELECT checkpoint FROM tlog_trees WHERE tenant_id = $1`,
    [tenant],
  );
  return rows.map(({ note }) => note);
}

async function* leavesOf(query: Query, tenant: string): AsyncGenerator<{ index: number; id: string; hash?: Hash }> {
  for (let from = 0; ; from += BATCH) {
    const leaves = await readLeaves(query, tenant, from, from + BATCH);
    const events = await readEvents(
      query,
      leaves.map(({ id }) => id),
      leaves.map(({ time }) => time),
    );
    for (const { index, id } of leaves) {
      const event = events.get(id);
      yield { index, id, ...(event && { hash: leafHash(leafEntry(canonicalStoredEvent(event))) }) };
    }
    if (leaves.length === 0) return;
  }
}
