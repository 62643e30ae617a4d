import { type ChatMessage } from '#contracts';

/** The text of a message: its content, or the text parts of it put together. */
export function messageText({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join('');
}
