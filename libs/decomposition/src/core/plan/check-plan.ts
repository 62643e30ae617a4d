import { redactUrl } from '#database';
import { fullName, parseTableName } from '../catalogue/table.js';
import { administratorPool } from '../move.js';
import { type Check, Found } from './checks/check.js';
import { checkClaims } from './checks/claims.js';
import { checkExtensions, extensionsOf } from './checks/extensions.js';
import { checkForeignKeys, cutKeys, externalReferences } from './checks/foreign-keys.js';
import { checkReferences } from './checks/references.js';
import { checkSequences } from './checks/sequences.js';
import { checkServers } from './checks/servers.js';
import { checkTables } from './checks/tables.js';
import { checkTargets } from './checks/targets.js';
import { checkTriggers } from './checks/triggers.js';
import { checkTypes } from './checks/types.js';
import { checkUses } from './checks/uses.js';
import { describeCuts } from './describe-cuts.js';
import { orderMoves, type RefersTo } from './order-moves.js';
import { type Plan, type ServicePlan } from './plan.js';
import { type DatabaseFacts } from './read/database-facts.js';
import { readSurvey } from './read-survey.js';
import { type DatabaseReport, type PlanReport, type ServiceReport, type TableReport } from './report.js';
import { homeOf, type Survey } from './survey.js';

/**
 * Bytes of a table, with its indexes, that a copy deals with in a second: an assumption on the careful side, for a network and disks
 * of today. `npm run bench -- split` measures; what it measured is handed in.
 */
export const DEFAULT_BYTES_PER_SECOND = 20 * 1024 ** 2;

export interface CheckPlanOptions {
  /** As last measured. */
  bytesPerSecond?: number;
}

const CHECKS: readonly Check[] = [
  ...[checkClaims, checkTables, checkTypes, checkExtensions, checkUses, checkTriggers, checkSequences],
  ...[checkForeignKeys, checkReferences, checkTargets, checkServers],
];

/**
 * Reads the source's catalogue and, where they answer, the targets', and says what stands in the way of the plan, what it cuts, how
 * large it is, and in which order the services move best. Changes nothing. Services that have completed their move are left out of
 * what is checked, and those that have switched out of the order.
 *
 * @throws SplitError `invalid_plan` when the source does not answer
 */
export async function checkPlan(plan: Plan, options: CheckPlanOptions = {}): Promise<PlanReport> {
  const { bytesPerSecond = DEFAULT_BYTES_PER_SECOND } = options;
  const source = administratorPool(plan.source, 1);
  try {
    return report(await readSurvey(plan, source), bytesPerSecond);
  } finally {
    await source.end();
  }
}

function report(survey: Survey, bytesPerSecond: number): PlanReport {
  const { plan } = survey;
  const found = new Found();
  for (const check of CHECKS) check(survey, found);
  const services = plan.services.map((service) => reportService(survey, service, bytesPerSecond));
  const moving = services.filter(({ phase }) => phase !== 'switched' && phase !== 'completed');
  const order = orderMoves(moving, references(survey));
  const bytes = moving.reduce((sum, service) => sum + service.bytes, 0);
  return {
    plan: plan.name,
    source: reportDatabase(plan.source, survey.sourceFacts),
    services,
    stay: tablesOf(survey, plan.stay),
    cuts: describeCuts(
      survey,
      order.map(({ service }) => service),
    ),
    order,
    estimate: { bytes, bytesPerSecond, seconds: bytes / bytesPerSecond },
    problems: found.problems,
    warnings: found.warnings,
  };
}

function references(survey: Survey): RefersTo[] {
  const keys = cutKeys(survey).flatMap(({ fromRoot, toRoot }) => {
    const [from, to] = [homeOf(survey, fromRoot), homeOf(survey, toRoot)];
    return from == null || to == null ? [] : [{ from, to, foreignKey: true }];
  });
  const announced = survey.services.flatMap((service) =>
    externalReferences(survey, service)
      .filter(({ by, home }) => by !== 'foreign_key' && home !== null)
      .map(({ home }) => ({ from: service.name, to: home!, foreignKey: false })),
  );
  return [...keys, ...announced];
}

function reportService(survey: Survey, service: ServicePlan, bytesPerSecond: number): ServiceReport {
  const { name, strategy, schema, target } = service;
  const { facts, state } = survey.targets.get(name)!;
  const tables = tablesOf(survey, service.tables);
  const total = (part: 'rows' | 'bytes'): number => tables.reduce((sum, table) => sum + table[part], 0);
  const sequences = survey.sequences.filter(({ columns }) =>
    columns.some(({ table }) => homeOf(survey, table) === name),
  );
  return {
    ...{ name, strategy, schema, tables },
    target: reportDatabase(target, facts),
    phase: state?.phase ?? null,
    sequences: sequences.map(({ columns, ...sequence }) => ({
      ...sequence,
      columns: columns.map(({ table, column }) => `${table}.${column}`),
    })),
    externalReferences: externalReferences(survey, service),
    extensions: extensionsOf(survey, name),
    ...{ rows: total('rows'), bytes: total('bytes'), seconds: total('bytes') / bytesPerSecond },
  };
}

function tablesOf(survey: Survey, names: readonly string[]): TableReport[] {
  return names.flatMap((text) => {
    const table = survey.tables.get(fullName(parseTableName(text)));
    return table ? [{ name: fullName(table), rows: table.estimatedRows, bytes: table.bytes }] : [];
  });
}

function reportDatabase(url: string, facts: DatabaseFacts | null): DatabaseReport {
  const { exists = false, version = null, cluster = null } = facts ?? {};
  return { url: redactUrl(url), answers: facts !== null, exists, version, cluster };
}
