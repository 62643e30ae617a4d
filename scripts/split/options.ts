import { InvalidArgumentError, Option } from 'commander';

function number(low: number, high: number, whole: boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= low && value <= high && (!whole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`Give a ${whole ? 'whole number' : 'number'} from ${low} to ${high}.`);
  };
}

const MAX_MS = 2 ** 31 - 1;
const collect = (value: string, before: string[]): string[] => [...before, value];

/** Of every verb that reads a plan. */
export const PLAN = (): Option =>
  new Option(
    '--plan <file>',
    'YAML, or the name of a plan that comes with this: gravitas, acgs-1',
  ).makeOptionMandatory();
export const SERVICE = (): Option =>
  new Option('--service <name>', 'of this service; may be given again').argParser(collect).default([], 'none');
export const ALL = (): Option => new Option('--all', 'of all services of the plan, one after the other').default(false);
export const DRY_RUN = (): Option =>
  new Option('--dry-run', 'says what would be done, and changes nothing').default(false);
export const JSON_OUT = (): Option => new Option('--json', 'prints one JSON document').default(false);
export const YES = (): Option => new Option('--yes', 'confirms it').default(false);

export const DIRECTORY = (text: string): Option => new Option('--dir <directory>', text).makeOptionMandatory();
export const URL_OF = (text: string): Option => new Option('--url <url>', text).makeOptionMandatory();
export const PERCENT = (): Option =>
  new Option('--percent <share>', 'of reads, by key, that the target serves, 0 to 100')
    .argParser(number(0, 100, true))
    .makeOptionMandatory();
export const SHADOW = (): Option =>
  new Option('--shadow <share>', 'of reads that are also done on the other side, and compared, 0 to 100').argParser(
    number(0, 100, false),
  );
export const PAUSE_TIMEOUT = (): Option =>
  new Option('--pause-timeout <ms>', 'how long writes may wait before it is taken back (5000)').argParser(
    number(100, 600_000, true),
  );
export const FORCE = (): Option =>
  new Option('--force', 'goes on without instances that do not answer; their writes fail until they do').default(false);
export const FULL = (): Option =>
  new Option('--full', 'also what was verified before, and has not changed since').default(false);
export const REPAIR = (): Option =>
  new Option('--repair', 'makes the rows of the side that follows equal').default(false);
export const NOW = (): Option => new Option('--now', 'drops the old tables at once').default(false);
export const DROP_AFTER = (): Option =>
  new Option('--drop-after <days>', 'how long the old tables are kept (7)').argParser(number(0, MAX_MS, false));
export const DROP = (): Option =>
  new Option('--drop', "drops the target's database; without it its tables stay").default(false);
export const WITHOUT_TARGET = (): Option =>
  new Option('--without-target', 'asks nothing of the target, which is gone for good').default(false);
export const REPORT = (): Option => new Option('--report <directory>', 'where the report is written');
export const METRICS_PORT = (): Option =>
  new Option('--metrics-port <port>', 'serves Prometheus metrics there, on loopback; 0: any that is free').argParser(
    number(0, 65_535, true),
  );
export const ALERT = (): Option =>
  new Option('--alert', 'only tells, and reverses nothing, whatever the plan says').default(false);
export const ROWS = (): Option =>
  new Option('--rows <count>', 'of each table').argParser(number(1, 100_000_000, true)).default(1000);
export const SEED = (): Option =>
  new Option('--seed <number>', 'the same gives the same rows').argParser(number(0, MAX_MS, true)).default(1);
