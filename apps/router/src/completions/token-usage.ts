import { z } from 'zod';
import { type ChatMessage } from '#contracts';
import { messageText } from '../providers/message-text.js';
import { type StreamChunk } from '../providers/provider.js';
import { type Shell } from '../registry/shell.entity.js';

export interface TokenUsage {
  tokensIn: number;
  tokensOut: number;
  /** The provider did not say; counted from the text. */
  estimated: boolean;
}

const CHARACTERS_PER_TOKEN = 4;
const MAX_TOKENS = 2_147_483_647;
const tokens = z.number().int().min(0).max(MAX_TOKENS);
const reported = z.object({ prompt_tokens: tokens, completion_tokens: tokens });

/** Counts an answer's tokens: as the provider reports them, or else a token for every four characters of text. */
export class UsageMeter {
  private said: z.output<typeof reported> | undefined;
  private answerCharacters = 0;

  constructor(private readonly messages: readonly ChatMessage[]) {}

  /** Takes in what a provider reports as `usage`; anything else is ignored. */
  report(usage: unknown): void {
    const parsed = reported.safeParse(usage);
    if (parsed.success) this.said = parsed.data;
  }

  read({ choices, usage }: StreamChunk): void {
    this.report(usage);
    for (const { delta } of choices) this.text(delta?.content);
  }

  /** Text of the answer. */
  text(content: unknown): void {
    if (typeof content === 'string') this.answerCharacters += content.length;
  }

  get usage(): TokenUsage {
    if (this.said)
      return { tokensIn: this.said.prompt_tokens, tokensOut: this.said.completion_tokens, estimated: false };
    const prompt = this.messages.reduce((sum, message) => sum + messageText(message).length, 0);
    return { tokensIn: estimate(prompt), tokensOut: estimate(this.answerCharacters), estimated: true };
  }
}

/** US dollars. */
export function costOf(shell: Shell, { tokensIn, tokensOut }: TokenUsage): number {
  return (tokensIn * shell.costPer1kInput + tokensOut * shell.costPer1kOutput) / 1000;
}

function estimate(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}
