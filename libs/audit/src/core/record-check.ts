import { type z } from 'zod';
import { AUDIT_RESULTS, auditRecord, type AuditEntity, type AuditRecord } from '#contracts';
import { errorMessage } from '#errors';
import { AuditError } from './errors.js';
import { copyPlainJson } from './plain-json.js';
import { isPrintable, isStorable } from './plain-text.js';

export type CheckedRecord = z.output<typeof auditRecord>;

const MAX_NAME = 200;
const MAX_RESOURCE = 1000;
const MAX_REASON = 4000;
const MAX_REFERENCE = 200;
const MAX_ENTITIES = 64;
const MAX_ENTITY_ID = 500;

const RESULTS: ReadonlySet<unknown> = new Set(AUDIT_RESULTS);

/**
 * Checks a record, and copies it: what the caller does to it afterwards, or to anything in it, does not show. Of metadata the copy is
 * what JSON makes of them.
 *
 * The schema `auditRecord` says what a record is. It takes several times longer than all else that is done to an event, so records that
 * are like nearly all, and beyond doubt well formed, are recognised here; every other one goes to the schema, which has the last word.
 *
 * @throws AuditError `audit_invalid`, naming each member that is at fault
 */
export function checkRecord(record: AuditRecord): CheckedRecord {
  try {
    return recognise(record) ?? parse(record);
  } catch (error) {
    if (error instanceof AuditError) throw error;
    // A getter or a toJSON of the record threw, or went on for ever.
    throw invalid(textOf(error), error);
  }
}

/** @returns undefined for a record that is not well formed, or not beyond doubt */
function recognise(record: AuditRecord): CheckedRecord | undefined {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return undefined;
  // Each member is read once: a getter could give something else the next time.
  const { tenant_id = 'default', ghost_id = null, shell_id = null, action, resource, result } = record;
  const { reason = '', request_id = null, session_id = null, entities, metadata } = record;
  if (
    !isName(tenant_id) ||
    !(ghost_id === null || isName(ghost_id)) ||
    !(shell_id === null || isName(shell_id)) ||
    !isName(action) ||
    !isText(resource, 1, MAX_RESOURCE) ||
    !RESULTS.has(result) ||
    !isText(reason, 0, MAX_REASON) ||
    !(request_id === null || isText(request_id, 0, MAX_REFERENCE)) ||
    !(session_id === null || isText(session_id, 0, MAX_REFERENCE))
  )
    return undefined;
  const ownEntities = entities === undefined ? [] : copyEntities(entities);
  if (ownEntities === undefined) return undefined;
  const ownMetadata = metadata === undefined ? {} : copyPlainJson(metadata);
  if (ownMetadata === undefined) return undefined;
  return {
    tenant_id,
    ghost_id,
    shell_id,
    action,
    resource,
    result,
    reason,
    request_id,
    session_id,
    entities: ownEntities,
    metadata: ownMetadata,
  };
}

function copyEntities(entities: unknown): AuditEntity[] | undefined {
  if (!Array.isArray(entities) || entities.length > MAX_ENTITIES) return undefined;
  const copy: AuditEntity[] = [];
  for (let i = 0; i < entities.length; i++) {
    const entity: unknown = entities[i];
    if (typeof entity !== 'object' || entity === null || Array.isArray(entity)) return undefined;
    const { kind, id } = entity as Partial<AuditEntity>;
    if (!isName(kind) || !isText(id, 1, MAX_ENTITY_ID)) return undefined;
    copy.push({ kind, id });
  }
  return copy;
}

/** Names in other scripts are names as well; the schema knows them. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length >= 1 && value.length <= MAX_NAME && isPrintable(value);
}

function isText(value: unknown, min: number, max: number): value is string {
  return typeof value === 'string' && value.length >= min && value.length <= max && isStorable(value);
}

function parse(record: AuditRecord): CheckedRecord {
  const checked = bySchema(record);
  // What is stored is what JSON makes of it, which a toJSON may have a say in: that has to be well formed too.
  const metadata = JSON.parse(JSON.stringify(checked.metadata) ?? 'null') as CheckedRecord['metadata'];
  return bySchema({ ...checked, metadata });
}

function bySchema(record: AuditRecord): CheckedRecord {
  const parsed = auditRecord.safeParse(record);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.map(String).join('.') || 'record'}: ${message}`,
  );
  throw invalid(problems.join('; '), parsed.error);
}

function invalid(problem: string, cause: unknown): AuditError {
  return new AuditError('audit_invalid', `not an audit record: ${problem}`, { cause });
}

/** Anything can be thrown, also what has no text. */
function textOf(thrown: unknown): string {
  return thrown instanceof Error ? errorMessage(thrown, 0) : 'reading it throws';
}
