/** SQLSTATE classes 22 (data exception) and 23 (integrity constraint violation). */
const CLASSES = /^2[23]/;
const UNIQUE_VIOLATION = '23505';

/** Whether PostgreSQL refused the data itself: trying again with the same will not help. */
export function isPermanentError(error: unknown): boolean {
  return CLASSES.test(sqlStateOf(error));
}

/** Whether a row with this key is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlStateOf(error) === UNIQUE_VIOLATION;
}

function sqlStateOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
