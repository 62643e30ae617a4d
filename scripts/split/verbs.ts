import { status, statusText } from '#decomposition';
import * as option from './options.js';
import { backupLines, counted, planLines } from './lines.js';
import { MOVE_VERBS } from './move-verbs.js';
import { needed } from './needed.js';
import { openStreamOf } from './open-stream.js';
import { type Verb } from './verb.js';
import { watchAll } from './watch-verb.js';

/** In the order in which they are used. */
export const VERBS: readonly Verb[] = [
  {
    name: 'plan',
    summary: 'checks the plan against the databases: what it cuts, how large it is, in which order to move',
    scope: 'plan',
    harmless: true,
    steps: [
      'read the catalogues of the source and of the targets that are there',
      'say what does not fit, what is cut, and the order',
    ],
    run: async ({ library, plan }) => {
      const report = await needed(library, 'checkPlan')(plan);
      return { code: report.problems.length > 0 ? 1 : 0, lines: planLines(report), report };
    },
  },
  {
    name: 'backup',
    summary: 'writes what will move into a folder, as of one moment, with counts and checksums',
    scope: 'plan',
    harmless: false,
    steps: ['take one snapshot of the source', 'export each table', 'write the manifest'],
    options: () => [option.DIRECTORY('where to; must be empty, or not be there yet')],
    run: async ({ library, plan, services, options, progress, signal }) => {
      const names = services.map(({ name }) => name);
      const report = await needed(library, 'backup')(plan, names, options.dir!, { progress, signal });
      return { code: 0, lines: backupLines(report, `in ${options.dir!}`), report };
    },
  },
  {
    name: 'restore',
    summary: 'reads a backup into a database, and proves that all of it is there',
    scope: 'none',
    steps: [
      'make the tables in the database of --url',
      'read the rows in',
      'compare counts and checksums with the manifest',
    ],
    options: () => [option.DIRECTORY('a folder of `backup`'), option.URL_OF('of the database to read it into')],
    run: async ({ library, options, progress, signal }) => {
      const report = await needed(library, 'restore')(options.dir!, options.url!, { progress, signal });
      return { code: 0, lines: backupLines(report, 'all as they were exported'), report };
    },
  },
  ...MOVE_VERBS,
  {
    name: 'watch',
    summary:
      'looks at errors, latency, comparisons, lag and pools, and reverses when two windows in a row are over a threshold',
    scope: 'plan',
    harmless: false,
    steps: ['look twice a second', 'run what dual-write needs to stay in step', 'reverse when a trigger fires'],
    options: () => [option.METRICS_PORT(), option.ALERT()],
    run: watchAll,
  },
  {
    name: 'status',
    summary: 'one screen: phase, rows, lag, verification, reads, and what blocks the next step',
    scope: 'plan',
    harmless: true,
    steps: ['look'],
    run: async ({ library, services, open, options }) => {
      const openStream = openStreamOf(library);
      const list = await Promise.all(services.map((service) => status(open(service), { openStream })));
      const next = `npm run split -- VERB --plan ${options.plan} --service NAME`;
      const lines = [statusText(list), ...(list.some((one) => one.next !== null) ? [`Next: ${next}`] : [])];
      return { code: list.some(({ problems }) => problems.length > 0) ? 2 : 0, lines, report: { services: list } };
    },
  },
  {
    name: 'sample',
    summary: "fills an empty database with a sample to try it on: ACGS-1's eight services and 27 tables in one",
    scope: 'none',
    steps: ['make the tables in the database of --url', 'fill them'],
    options: () => [option.URL_OF('of an empty database, as a superuser'), option.ROWS(), option.SEED()],
    run: async ({ library, options }) => {
      const { url, rows, seed } = options;
      const report = await needed(library, 'sample')(url!, { rows: rows!, seed: seed! });
      return { code: 0, lines: [`${counted(report.tables, 'table')} of ${counted(rows!, 'row')} each.`], report };
    },
  },
];
