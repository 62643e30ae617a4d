import { type Option } from 'commander';
import { type Move, type MoveStatus, type Plan, type Progress, type ServicePlan, type Verbs } from '#decomposition';
import { type Env } from '../stack/apps.js';

/** All options of all verbs, as commander gives them. */
export interface Options {
  plan: string;
  service: string[];
  all: boolean;
  dryRun: boolean;
  json: boolean;
  yes: boolean;
  dir?: string;
  url?: string;
  full: boolean;
  repair: boolean;
  percent?: number;
  shadow?: number;
  pauseTimeout?: number;
  force: boolean;
  now: boolean;
  dropAfter?: number;
  drop: boolean;
  withoutTarget: boolean;
  report?: string;
  metricsPort?: number;
  alert: boolean;
  rows?: number;
  seed?: number;
}

/** What a verb says when it is through. */
export interface Outcome {
  /** 0: done, 1: refused, or something was found, 2: it cannot be told. */
  code: 0 | 1 | 2;
  /** For people. */
  lines: readonly string[];
  /** For `--json`. */
  report: object;
}

export interface Context {
  options: Options;
  env: Env;
  /** Those functions that are there. */
  library: Partial<Verbs>;
  progress: Progress;
  /** Aborted when the run is told to stop. */
  signal: AbortSignal;
  /** A line of result, ahead of the outcome. */
  say: (line: string) => void;
}

export interface PlanContext extends Context {
  plan: Plan;
  /** In the order of the plan. */
  services: readonly ServicePlan[];
  open: (service: ServicePlan) => Move;
}

export interface MoveContext extends Context {
  plan: Plan;
  move: Move;
}

interface Named {
  name: string;
  summary: string;
  /** What it does, for `--help`, and for `--dry-run` of verbs that have none of their own. */
  steps: readonly string[];
  options?: () => Option[];
}

/** Of one service after the other. */
export interface MoveVerb extends Named {
  scope: 'service';
  /** What has to be typed, or given with --yes, before it begins; undefined when it is harmless. */
  danger?: (options: Options) => string | undefined;
  /** In which it may be run; null is before `create`. Where its own function rehearses that is asked instead. */
  phases: readonly MoveStatus['phase'][];
  rehearses: boolean;
  run(context: MoveContext): Promise<Outcome>;
}

/** Of all services that are chosen, or all there are. */
export interface PlanVerb extends Named {
  scope: 'plan';
  /** It only ever looks. */
  harmless: boolean;
  run(context: PlanContext): Promise<Outcome>;
}

/** Without a plan. */
export interface LooseVerb extends Named {
  scope: 'none';
  run(context: Context): Promise<Outcome>;
}

export type Verb = MoveVerb | PlanVerb | LooseVerb;
