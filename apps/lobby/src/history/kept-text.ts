import { type ChatMessage } from '#contracts';
import { storableText } from '#database';

/** As much of a message as is kept: 256 KiB as UTF-8. */
export const MAX_CONTENT_BYTES = 256 * 1024;

/** Cuts a text at a character's boundary, and makes it storable. */
export function keptText(text: string): { content: string; truncated: boolean } {
  const content = storableText(text);
  if (content.length * 3 <= MAX_CONTENT_BYTES) return { content, truncated: false };
  const bytes = Buffer.from(content);
  if (bytes.length <= MAX_CONTENT_BYTES) return { content, truncated: false };
  // As a stream, the decoder holds back a character that is cut in two.
  const decoder = new TextDecoder();
  return { content: decoder.decode(bytes.subarray(0, MAX_CONTENT_BYTES), { stream: true }), truncated: true };
}

/** The text of the last message of the user, its text parts joined by newlines; undefined when there is no such message. */
export function lastUserText(messages: readonly ChatMessage[]): string | undefined {
  const message = messages.findLast(({ role }) => role === 'user');
  return message && textOf(message.content);
}

export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const texts = content.map((part: unknown) => (part as { text?: unknown } | null)?.text);
  return texts.filter((text) => typeof text === 'string').join('\n');
}
