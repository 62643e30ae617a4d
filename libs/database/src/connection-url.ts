export interface ConnectionUrlParts {
  database?: string;
  user?: string;
  password?: string;
}

/**
 * The same server as `url`, reached as somebody else or on another database. Host, port and parameters (sslmode and the
 * like) are kept; user, password and database are encoded.
 */
export function connectionUrl(url: string, { database, user, password }: ConnectionUrlParts): string {
  const result = new URL(url);
  if (database !== undefined) result.pathname = `/${encodeURIComponent(database)}`;
  if (user !== undefined) result.username = encodeURIComponent(user);
  if (password !== undefined) result.password = encodeURIComponent(password);
  return result.href;
}

/** The URL without its password: for messages. */
export function redactUrl(url: string): string {
  try {
    const result = new URL(url);
    result.password = '';
    return result.href;
  } catch {
    return '(not a URL)';
  }
}
