import { type GateResult } from '#decomposition';
import * as option from './options.js';
import { abandonLines, completeLines, counted, createLines, readsLines, switchLines, verifyLines } from './lines.js';
import { needed } from './needed.js';
import { passwordsOf } from './passwords.js';
import { runMigrations } from './run-migrations.js';
import { type Context, type MoveVerb, type Options } from './verb.js';

const DAY_MS = 24 * 3600 * 1000;

function pause({ pauseTimeout }: Options): { pauseTimeoutMs?: number } {
  return pauseTimeout === undefined ? {} : { pauseTimeoutMs: pauseTimeout };
}

/** A rehearsal that finds a gate shut is a finding; where it is not one, the verb itself has refused. */
function codeOf({ options }: Context, gates: readonly GateResult[]): 0 | 1 {
  return options.dryRun && gates.some(({ ok }) => !ok) ? 1 : 0;
}

/** Those that work on one service after the other, in the order in which they are used. */
export const MOVE_VERBS: readonly MoveVerb[] = [
  {
    name: 'create',
    summary: "makes a service's database, logins and tables: empty, and closed to writes",
    scope: 'service',
    phases: [null, 'created', 'copying', 'in_step'],
    rehearses: true,
    steps: [
      'make the database and its logins',
      'make the tables, closed to writes',
      'compare them with those of the source',
    ],
    run: async ({ library, move, options, env }) => {
      const { dryRun } = options;
      // Who only looks needs no passwords.
      const passwords = dryRun ? () => '' : passwordsOf(move.service, env);
      const migrate = (url: string): Promise<void> => runMigrations(move.service, url);
      const report = await needed(library, 'create')(move, { passwords, migrate, dryRun });
      return { code: 0, lines: createLines(report, dryRun), report };
    },
  },
  {
    name: 'copy',
    summary:
      'copies the rows while the source is written to, and leaves the target following it; mends a side that has missed changes',
    scope: 'service',
    phases: ['created', 'copying', 'in_step', 'switched'],
    rehearses: false,
    steps: [
      'keep the changes of the source from here on',
      'copy the rows, chunk by chunk',
      'apply the changes',
      'make the other indexes and constraints',
    ],
    run: async ({ library, move }) => {
      const report = await needed(library, 'copy')(move);
      const { rows, seconds, phase } = report;
      return { code: 0, lines: [`${counted(rows, 'row')} in ${seconds.toFixed(1)} s; phase ${phase}.`], report };
    },
  },
  {
    name: 'verify',
    summary: 'compares the two sides row by row, soft references, sequences and hash chains',
    scope: 'service',
    phases: ['in_step', 'switched'],
    rehearses: false,
    steps: [
      'compare what has changed since the last time, or with --full everything',
      'with --repair: make the side that follows equal',
    ],
    options: () => [option.FULL(), option.REPAIR(), option.YES()],
    danger: ({ repair }) => (repair ? 'Rows of the side that follows will be overwritten or deleted.' : undefined),
    run: async ({ library, move, options }) => {
      const report = await needed(library, 'verify')(move, { full: options.full, repair: options.repair });
      return { code: report.clean ? 0 : 1, lines: verifyLines(report), report };
    },
  },
  {
    name: 'switch-reads',
    summary: 'lets the target serve a share of the reads, and compares a sample',
    scope: 'service',
    phases: ['in_step'],
    rehearses: true,
    steps: [
      'look at the gates: in step, verified within the hour, at most 1 s behind',
      'tell the instances, and wait until they act by it',
    ],
    options: () => [option.PERCENT(), option.SHADOW()],
    run: async (context) => {
      const { library, move, options } = context;
      const { dryRun, percent, shadow } = options;
      const shadowPercent = shadow === undefined ? {} : { shadowPercent: shadow };
      const report = await needed(library, 'switchReads')(move, { dryRun, percent: percent!, ...shadowPercent });
      return { code: codeOf(context, report.gates), lines: readsLines(report), report };
    },
  },
  {
    name: 'switch-writes',
    summary: 'lets the target take the writes, with the source in step behind it',
    scope: 'service',
    phases: ['in_step', 'switched'],
    rehearses: true,
    steps: [
      'look at the gates',
      'pause writes',
      'close the source',
      'drain the stream',
      'advance sequences',
      'compare what changed last',
      'open the target',
    ],
    options: () => [option.PAUSE_TIMEOUT(), option.YES()],
    danger: () => 'From now on the target takes the writes.',
    run: async (context) => {
      const { library, move, options } = context;
      const { dryRun } = options;
      const report = await needed(library, 'switchWrites')(move, { dryRun, ...pause(options) });
      return { code: codeOf(context, report.gates), lines: switchLines(report, dryRun), report };
    },
  },
  {
    name: 'reverse',
    summary: 'back to the shared database, with every row written since',
    scope: 'service',
    phases: ['in_step', 'switched'],
    rehearses: true,
    steps: [
      'pause writes',
      'close the target',
      'drain the stream',
      'advance sequences',
      'compare what changed last',
      'open the source',
    ],
    options: () => [option.PAUSE_TIMEOUT(), option.FORCE()],
    run: async (context) => {
      const { library, move, options } = context;
      const { dryRun, force } = options;
      const report = await needed(library, 'reverse')(move, { dryRun, force, ...pause(options) });
      return { code: codeOf(context, report.gates), lines: switchLines(report, dryRun), report };
    },
  },
  {
    name: 'complete',
    summary: "ends the move: nothing follows any more, the source's tables are put aside, and dropped later",
    scope: 'service',
    phases: ['switched', 'completed'],
    rehearses: true,
    steps: [
      'verify everything',
      'end the stream',
      "rename the source's tables",
      'write the report',
      'when their time has come: drop them',
    ],
    options: () => [option.NOW(), option.DROP_AFTER(), option.REPORT(), option.YES()],
    danger: ({ now }) => (now ? "The source's tables will be dropped. There is no way back from there." : undefined),
    run: async (context) => {
      const { library, move, options } = context;
      const { dryRun, now, dropAfter, report: directory } = options;
      const report = await needed(library, 'complete')(move, {
        ...{ dryRun, now },
        ...(dropAfter !== undefined && { dropAfterMs: dropAfter * DAY_MS }),
        ...(directory !== undefined && { reportDir: directory }),
      });
      return { code: codeOf(context, report.gates), lines: completeLines(report, dryRun), report };
    },
  },
  {
    name: 'abandon',
    summary: 'gives up a move that has not switched: nothing is left of it, and create may begin anew',
    scope: 'service',
    phases: [null, 'created', 'copying', 'in_step', 'abandoned'],
    rehearses: true,
    steps: [
      'let all reads go to the source',
      'end the streams: no log is kept for them any more',
      'take away what the move needed on the source',
      "take the target's fence and all that is known of the move away, or with --drop its database",
    ],
    options: () => [option.DROP(), option.WITHOUT_TARGET(), option.YES()],
    danger: ({ drop }) =>
      drop
        ? "The move is given up, and the target's database dropped, with all that is in it."
        : 'The move is given up: what was copied follows no more.',
    run: async ({ library, move, options }) => {
      const { dryRun, drop, withoutTarget } = options;
      const report = await needed(library, 'abandon')(move, { dryRun, drop, withoutTarget });
      return { code: 0, lines: abandonLines(report, dryRun), report };
    },
  },
];
