/** The text as far as PostgreSQL can hold it, in a text column as in jsonb: without NUL and lone surrogates, and not longer than `max`. */
export function storableText(text: string, max = Infinity): string {
  // Cut first: that may leave half of a pair.
  return text.slice(0, max).toWellFormed().replaceAll('\0', '\u{FFFD}');
}
