/** What one service has in the shared database. */
export interface Part {
  ddl: string;
  /** Into tables of other services; made when all tables are there. */
  foreignKeys: string;
  /**
   * By table, in the order of filling: an INSERT of $1 rows. It may use `pg_temp.pick(row, salt, n)`, a number from 0 to n - 1;
   * `pg_temp.uid(table, row)`, the uuid of a row; `pg_temp.at(row)`, a time in 2025 that grows with the row; and
   * `pg_temp.chain(text) OVER (ORDER BY ...)`, a hash over the hash before and the text. Numbers that a sequence gives are those of the rows, from 1 on.
   */
  fill: Readonly<Record<string, string>>;
}
