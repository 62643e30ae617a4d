import { type DatabaseReport, type Finding, type PlanReport, type ServiceReport } from './report.js';
import { bytesText, columns, rowsText, secondsText } from './text.js';

/** For a terminal: what stops, what moves, what is cut, in which order. */
export function planReportText(report: PlanReport): string {
  const { estimate, services, order, cuts, stay } = report;
  const place = (name: string): string => String(order.findIndex(({ service }) => service === name) + 1 || '-');
  const byOrder = [...services].sort((a, b) => Number(place(a.name)) - Number(place(b.name)));
  return [
    `Plan ${report.plan}: ${databaseText(report.source)}`,
    '',
    ...columns([
      ['#', 'service', 'tables', 'rows', 'size', 'copy', 'strategy', 'phase', 'target'],
      ...byOrder.map((service) => [place(service.name), ...serviceCells(service)]),
    ]),
    '',
    `To move: ${bytesText(estimate.bytes)}, about ${secondsText(estimate.seconds)} of copying at ${bytesText(estimate.bytesPerSecond)}/s.${
      stay.length > 0 ? ` ${stay.length} ${stay.length === 1 ? 'table stays' : 'tables stay'}.` : ''
    } Row counts are the planner's guess.`,
    ...section(
      'Order',
      order.map(({ service, why }, index) => `${index + 1}. ${service}: ${why}.`),
    ),
    ...section(
      `Foreign keys that are cut (${cuts.length})`,
      cuts.map(
        (cut) =>
          `${cut.from} (${cut.fromColumns.join(', ')}) -> ${cut.to} (${cut.toColumns.join(', ')}): ${cut.becomes}`,
      ),
    ),
    ...section('References that no foreign key shows', services.flatMap(announcedText)),
    ...section('Sequences', services.flatMap(sequenceText)),
    ...section(`Warnings (${report.warnings.length})`, report.warnings.flatMap(findingText)),
    ...section(`Problems (${report.problems.length})`, report.problems.flatMap(findingText)),
    '',
    report.problems.length === 0
      ? `Nothing stands in the way. Next: create${order[0] ? ` --service ${order[0].service}` : ''}.`
      : `${report.problems.length} ${report.problems.length === 1 ? 'problem stands' : 'problems stand'} in the way.`,
    '',
  ].join('\n');
}

function serviceCells({ name, tables, rows, bytes, seconds, strategy, phase, target }: ServiceReport): string[] {
  return [
    ...[name, String(tables.length), rowsText(rows), bytesText(bytes), secondsText(seconds)],
    ...[strategy, phase ?? '-', databaseText(target)],
  ];
}

function databaseText({ url, answers, exists, version }: DatabaseReport): string {
  const { host, pathname } = new URL(url);
  if (!answers) return `${host}${pathname} (does not answer)`;
  return `${host}${pathname} (PostgreSQL ${version}${exists ? '' : ', to be made'})`;
}

function announcedText({ name, externalReferences }: ServiceReport): string[] {
  const how = { reference: 'checked by `verify`', application: "the application's own" };
  return externalReferences.flatMap(({ table, home, by }) =>
    by === 'foreign_key' ? [] : [`${name} -> ${table} (${home ?? 'stays'}): ${how[by]}`],
  );
}

function sequenceText({ name, sequences }: ServiceReport): string[] {
  return sequences.map(
    (sequence) => `${name}: ${sequence.name} of ${sequence.columns.join(', ')} at ${sequence.last ?? 'its start'}`,
  );
}

function findingText({ message, next }: Finding): string[] {
  return [message, `  -> ${next}`];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}
