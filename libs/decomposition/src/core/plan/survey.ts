import type pg from 'pg';
import { type ForeignKey } from '../catalogue/foreign-keys.js';
import { type Table } from '../catalogue/table.js';
import { type MoveState } from '../state/move-state.js';
import { type Plan, type ServicePlan } from './plan.js';
import { type DatabaseFacts } from './read/database-facts.js';
import { type Dependencies } from './read/dependencies.js';
import { type Relation } from './read/relations.js';
import { type Sequence } from './read/sequences.js';

/** What the checks look at, read once. */
export interface Survey {
  plan: Plan;
  /** By full name; the services that claim the table, and `null` for `stay`. */
  claims: ReadonlyMap<string, readonly (string | null)[]>;
  source: pg.Pool;
  sourceFacts: DatabaseFacts;
  /** Services that have not completed their move: of the others the source need not have anything any more. */
  services: readonly ServicePlan[];
  /** By service. */
  targets: ReadonlyMap<string, TargetSurvey>;
  /** By full name: tables, views, foreign tables and partitions of the source. */
  relations: ReadonlyMap<string, Relation>;
  /** By full name: those that are claimed, or stay, and are there. */
  tables: ReadonlyMap<string, Table>;
  foreignKeys: readonly ForeignKey[];
  sequences: readonly Sequence[];
  dependencies: Dependencies;
}

export interface TargetSurvey {
  url: string;
  /** Null when its server does not answer; `problem` says why. */
  facts: DatabaseFacts | null;
  problem: string | null;
  state: MoveState | undefined;
  /** Full names of moved tables that are there and hold rows. */
  filled: readonly string[];
}

/** Who gets a table: a service, null when it stays, undefined when nobody claims it. Of a partition: who gets the whole. */
export function homeOf(survey: Pick<Survey, 'claims' | 'relations'>, table: string): string | null | undefined {
  return survey.claims.get(survey.relations.get(table)?.partitionOf ?? table)?.[0];
}

/** For people: `auth`, or `what stays`. */
export function homeText(home: string | null | undefined): string {
  return home === undefined ? 'nobody' : (home ?? 'what stays');
}

/** Whether source and target are one cluster; undefined when that is not to be known. */
export function sameCluster(survey: Survey, service: string): boolean | undefined {
  const target = survey.targets.get(service)?.facts?.cluster;
  const source = survey.sourceFacts.cluster;
  return target == null || source === null ? undefined : target === source;
}
