import {
  type AbandonResult,
  type BackupResult,
  type CompleteResult,
  type CreateResult,
  type GateResult,
  type PlanResult,
  type ReadsResult,
  type SwitchResult,
  type VerifyResult,
} from '#decomposition';

/** What people read of each report. */
export function planLines({ problems, warnings, services, cuts, order, estimate }: PlanResult): string[] {
  const said = (label: string, list: PlanResult['problems']): string[] =>
    list.flatMap(({ place, message, next }) => [`${label}: ${place}: ${message}`, `  ${next}`]);
  return [
    ...services.map(
      ({ name, tables, sequences, rows, bytes, seconds }) =>
        `${name}: ${counted(tables.length, 'table')}, ${counted(sequences.length, 'sequence')}, about ${counted(rows, 'row')}, ${mib(bytes)}, ${time(seconds)}`,
    ),
    ...cuts.map(({ name, from, to, becomes }) => `cut: ${name}, ${from} -> ${to}: ${becomes}`),
    ...order.map(({ service, why }, i) => `${i + 1}. ${service}: ${why}`),
    `In all ${mib(estimate.bytes)}, ${time(estimate.seconds)} of copying.`,
    ...said('warning', warnings),
    ...said('problem', problems),
    problems.length > 0 ? `${counted(problems.length, 'problem')}: the move must not begin.` : 'The plan can begin.',
  ];
}

export function backupLines({ tables }: BackupResult, where: string): string[] {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  return [
    ...tables.map(({ table, rows: own }) => `${table}: ${counted(own, 'row')}`),
    `${counted(rows, 'row')}, ${where}`,
  ];
}

export function createLines({ database, made, deferred, cut }: CreateResult, dryRun: boolean): string[] {
  const would = dryRun ? 'would make' : 'made';
  return [
    ...made.map((what) => `${would} ${what}`),
    ...deferred.map((what) => `after the copy: ${what}`),
    ...cut.map(({ name, from, to }) => `without ${name}: ${from} -> ${to}`),
    made.length === 0
      ? `${database} has all that it needs.`
      : `${database}: ${would} ${counted(made.length, 'thing')}.`,
  ];
}

export function verifyLines(result: VerifyResult): string[] {
  const { tables, differences, difference_count: count, repaired, clean, rows_per_s: rate } = result;
  return [
    ...tables.map(
      ({ table, rows, rows_compared: compared, differences: own }) =>
        `${table}: ${counted(rows, 'row')}, ${whole(compared)} compared, ${counted(own, 'difference')}`,
    ),
    ...differences.map(
      ({ table, key, kind, detail }) => `${kind}: ${table}${key ? ` (${key.join(', ')})` : ''}: ${detail}`,
    ),
    ...(count > differences.length ? [`and ${count - differences.length} more`] : []),
    ...(repaired > 0 ? [`${counted(repaired, 'row')} repaired`] : []),
    clean ? equalLine(tables, rate) : 'Not equal.',
  ];
}

function equalLine(tables: VerifyResult['tables'], rate: number): string {
  const compared = tables.reduce((sum, table) => sum + table.rows_compared, 0);
  return compared === 0
    ? 'Equal. Nothing has changed since it was compared; --full compares all of it again.'
    : `Equal. ${whole(rate)} rows/s.`;
}

export function readsLines({
  did,
  gates,
  before,
  percent,
  shadow_percent: shadow,
  participants,
  late,
}: ReadsResult): string[] {
  return [
    ...gateLines(gates),
    did === 'nothing'
      ? `Reads as before: ${before} % from the target, ${shadow} % compared.`
      : `Reads: ${percent} % from the target (before: ${before} %), ${shadow} % compared; ${participants === 0 ? 'no instance takes part, so none reads there' : `${counted(participants, 'instance')} ${participants === 1 ? 'acts' : 'act'} by it`}.`,
    ...(late.length > 0 ? [`Not yet: ${late.join(', ')}.`] : []),
  ];
}

const DID: Readonly<Record<string, string>> = {
  nothing: 'There was nothing to do.',
  switched: 'The target takes the writes now.',
  reversed: 'The source takes the writes now.',
  taken_back: 'A switch that was cut short is taken back.',
  reads_back: 'All reads go to the source again.',
  retired: "The source's tables are put aside.",
  dropped: "The source's old tables are gone.",
};

const GAVE_UP: Readonly<Record<string, string>> = {
  nothing: 'There was no move.',
  abandoned: 'The move is given up: nothing is followed, and no log is kept for it.',
  dropped: "The move is given up, and the target's database is gone. Its logins are still there.",
};

export function abandonLines({ did, would, late }: AbandonResult, dryRun: boolean): string[] {
  return [
    ...(late.length > 0 ? [`Had not heard of it in time: ${late.join(', ')}.`] : []),
    dryRun ? wouldLine(would) : (GAVE_UP[did] ?? did),
  ];
}

export function switchLines(result: SwitchResult, dryRun: boolean): string[] {
  const { did, would, gates, pause_ms, participants, steps } = result;
  return [
    ...gateLines(gates),
    ...steps.map(({ step, ms }) => `${step}: ${ms} ms`),
    ...(pause_ms === null
      ? []
      : [
          `Writes stood still for ${pause_ms} ms; ${participants ? `${counted(participants, 'instance')} waited` : 'no instance takes part'}.`,
        ]),
    dryRun ? wouldLine(would) : (DID[did] ?? did),
  ];
}

export function completeLines(
  { did, would, gates, drop_after: after, report }: CompleteResult,
  dryRun: boolean,
): string[] {
  return [
    ...gateLines(gates),
    ...report.map((file) => `report: ${file}`),
    ...(after && did !== 'dropped' ? [`They may be dropped after ${after.toISOString()}: run it again then.`] : []),
    dryRun ? wouldLine(would) : (DID[did] ?? did),
  ];
}

function wouldLine(would: string): string {
  return would === '' ? 'There is nothing to do.' : `Would ${would}.`;
}

function gateLines(gates: readonly GateResult[]): string[] {
  return gates.map(
    ({ name, ok, reason, next }) => `gate ${name}: ${ok ? 'open' : 'SHUT'}: ${reason}${ok ? '' : `. ${next}`}`,
  );
}

export function counted(count: number, what: string): string {
  return `${whole(count)} ${what}${count === 1 ? '' : 's'}`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-GB');
}

function mib(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

function time(seconds: number): string {
  return seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
