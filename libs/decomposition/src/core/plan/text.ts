const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.5 GB`; a kB is 1024 bytes, as in PostgreSQL. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** `8 s`, `12 min`, `3.5 h` */
export function secondsText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** `1234`, `1.2 million` */
export function rowsText(rows: number): string {
  return rows < 1e6 ? String(Math.round(rows)) : `${(rows / 1e6).toFixed(1)} million`;
}

/** Cells below each other, the first line as a heading. */
export function columns(lines: readonly (readonly string[])[]): string[] {
  const widths = lines[0]!.map((_, index) => Math.max(...lines.map((cells) => cells[index]!.length)));
  return lines.map((cells) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index]!))
      .join('  ')
      .trimEnd(),
  );
}
