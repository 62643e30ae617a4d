import { hash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, openNote, openSeal, signNote, tenantOrigin, type NoteSigner, type NoteVerifier } from '#tlog';

const index = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What one tenant's log has of a month; `seal` is the log's own signed note of it (`signSeal`). */
const sealedTenant = z.strictObject({
  events: index.min(1),
  first_index: index,
  last_index: index,
  tree_size: index,
  /** Base64, of that size. */
  root: z.string().length(44),
  seal: z.string(),
});
export type SealedTenant = z.output<typeof sealedTenant>;

const sealStatement = z.strictObject({
  /** `YYYY-MM`, UTC. */
  month: z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/),
  /** Those that have events of the month. */
  tenants: z.record(z.string(), sealedTenant),
});
export type SealStatement = z.output<typeof sealStatement>;

/** As it is stored. */
export interface StoredSeal {
  month: string;
  /** Canonical JSON. */
  statement: string;
  /** Signs its digest, so that there is no bound to the number of tenants. */
  note: string;
}

/** The name under which what concerns all tenants is signed. */
export function sealsOrigin(log: string): string {
  return `${log}/seals`;
}

/** @param signer the log's, by the name that all tenants' origins begin with */
export function signMonth(statement: SealStatement, signer: NoteSigner): StoredSeal {
  const text = canonicalJson(statement);
  const named = signer.named(sealsOrigin(signer.name));
  return {
    month: statement.month,
    statement: text,
    note: signNote(noteText(named.name, statement.month, text), [named]),
  };
}

/**
 * Reads a seal and checks its signature, and those of the tenants' own notes; whether it says the truth is for the verification of the
 * logs to tell.
 *
 * @param log the log's keys, by the name that all tenants' origins begin with
 * @throws Error saying what is wrong with it
 */
export function openMonth({ month, statement, note }: StoredSeal, log: readonly NoteVerifier[]): SealStatement {
  const opened = openNote(
    note,
    log.map((key) => key.named(sealsOrigin(key.name))),
  );
  if (!log.some(({ name }) => opened.text === noteText(sealsOrigin(name), month, statement)))
    throw new Error('the note is not one of this statement');
  const parsed = sealStatement.parse(JSON.parse(statement));
  if (parsed.month !== month) throw new Error(`the statement is one of ${parsed.month}`);
  for (const [tenant, { events, tree_size: size, seal }] of Object.entries(parsed.tenants)) {
    const own = openSeal(
      seal,
      log.map((key) => key.named(tenantOrigin(key.name, tenant))),
    );
    if (own.month !== month || own.leaves !== events || own.size !== size)
      throw new Error(`the seal of the tenant ${tenant} says something else than the statement`);
  }
  return parsed;
}

function noteText(origin: string, month: string, statement: string): string {
  return `${origin}\ngravitas-month/v1\nmonth ${month}\nstatement ${hash('sha256', statement, 'base64')}\n`;
}
