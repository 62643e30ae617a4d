/** Up to here a loop over the characters is faster than the two calls that it stands for. */
const SHORT = 12;

/** Whether all of it is printable ASCII. For text as short as names are a loop is faster than any pattern. */
export function isPrintable(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

/** Whether PostgreSQL can store it, as text and within jsonb: no NUL, no lone surrogate. */
export function isStorable(text: string): boolean {
  if (text.length <= SHORT && isPrintable(text)) return true;
  return !text.includes('\0') && text.isWellFormed();
}
