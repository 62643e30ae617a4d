import { type MoveStatus } from './move-status.js';

const HEAD = ['service', 'phase', 'writes', 'rows copied', 'lag', 'verified', 'reads', 'takes part'];

/** One screen for all services: a row each, and below it what blocks the next step, and which that is. */
export function statusText(list: readonly MoveStatus[], now = new Date()): string {
  const rows = list.map((one) => cells(one, now));
  const widths = HEAD.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(HEAD), ...list.flatMap((one, i) => [line(rows[i]!), ...remarks(one)])].join('\n');
}

function cells(one: MoveStatus, now: Date): string[] {
  const { participants: all } = one;
  const alive = all.filter((each) => each.alive).length;
  return [
    one.service,
    one.phase ?? (one.next === 'create' ? 'not created' : 'unknown'),
    one.writes === 'paused' ? `paused (${one.paused_for})` : (one.writes ?? '-'),
    `${count(one.rows_copied)}${one.rows_total === null ? '' : ` of ${count(one.rows_total)}`}`,
    one.lag_s === null ? '-' : `${one.lag_s.toFixed(1)} s${waiting(one)}`,
    one.differences_open > 0 ? `${one.differences_open} open` : age(one.verified_at, now),
    one.read_percent === null ? '-' : `${one.read_percent} %`,
    alive === all.length ? String(alive) : `${alive}, ${all.length - alive} gone`,
  ];
}

function remarks({ blocks, next }: MoveStatus): string[] {
  return [...blocks.map((text) => `  blocked: ${text}`), ...(next === null ? [] : [`  next: ${next}`])];
}

function waiting({ retained_wal_bytes: bytes, pending_changes: changes }: MoveStatus): string {
  if (bytes !== null) return `, ${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  return changes ? `, ${count(changes)} changes` : '';
}

function age(at: Date | null, now: Date): string {
  if (!at) return 'no';
  const minutes = Math.floor((now.getTime() - at.getTime()) / 60_000);
  if (minutes < 60) return `${Math.max(minutes, 0)} min ago`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ago` : at.toISOString().slice(0, 10);
}

function count(value: number): string {
  return value.toLocaleString('en-GB');
}
