import OpenAI from 'openai';
import { type AuditResult } from '#contracts';
import { type StackAccess } from './stack-access.js';

/** What the trail must hold of a step: who, what, with which result. */
export interface ExpectedEvent {
  ghost: string | null;
  action: string;
  result: AuditResult;
}

export interface Step {
  title: string;
  /** @returns what was seen, in a line; throws when it is not what the step is to show */
  run: (requestId: string) => Promise<string>;
  expected: ExpectedEvent[];
}

const ALLOWED_CALL = (ghost: string): ExpectedEvent[] => [
  { ghost, action: 'execute', result: 'ALLOWED' },
  { ghost, action: 'inference', result: 'ALLOWED' },
  { ghost, action: 'inference', result: 'SUCCEEDED' },
];

/** The story that the demo tells, through the official OpenAI client pointed at the lobby. */
export function steps(stack: StackAccess): Step[] {
  const client = async (ghost: string, requestId: string, token: Parameters<StackAccess['token']>[1] = {}) =>
    new OpenAI({
      baseURL: `${stack.lobby}/v1`,
      apiKey: await stack.token(ghost, token),
      maxRetries: 0,
      defaultHeaders: { 'x-request-id': requestId },
    });
  const say = async (openai: OpenAI, model: string, content: string): Promise<string> => {
    const answer = await openai.chat.completions.create({ model, messages: [{ role: 'user', content }] });
    return `${answer.model}: "${answer.choices[0]?.message.content ?? ''}"`;
  };

  return [
    {
      title: 'Scout asks echo, which its group allows',
      run: async (id) => say(await client('Scout', id), 'echo', 'What do you see?'),
      expected: ALLOWED_CALL('Scout'),
    },
    {
      title: 'Scout asks gemini-1.5-pro, which its group does not',
      run: async (id) => refused(403, say(await client('Scout', id), 'gemini-1.5-pro', 'And you?')),
      expected: [{ ghost: 'Scout', action: 'execute', result: 'DENIED' }],
    },
    {
      title: 'Scout comes with a token that has expired',
      run: async (id) => refused(401, say(await client('Scout', id, { ttlSeconds: -60 }), 'echo', 'Still me!')),
      expected: [{ ghost: null, action: 'authenticate', result: 'UNAUTHENTICATED' }],
    },
    {
      title: 'The Supervisor certifies a new agent, Courier, and it works',
      run: async (id) => {
        await stack.asSupervisor('POST', `${stack.guardian}/certificates`, id, { agent: 'Courier', ttl: '1h' });
        return say(await client('Courier', id, { groups: ['scout'] }), 'echo', 'First errand done.');
      },
      expected: [{ ghost: 'Supervisor', action: 'certificate.issue', result: 'SUCCEEDED' }, ...ALLOWED_CALL('Courier')],
    },
    {
      title: "Courier's certificate is revoked, and it does not work any more",
      run: async (id) => {
        await stack.asSupervisor('DELETE', `${stack.guardian}/certificates/Courier`, id);
        return refused(403, say(await client('Courier', id, { groups: ['scout'] }), 'echo', 'Second errand?'));
      },
      expected: [
        { ghost: 'Supervisor', action: 'certificate.revoke', result: 'SUCCEEDED' },
        { ghost: 'Courier', action: 'session.start', result: 'DENIED' },
      ],
    },
    {
      title: 'Librarian has an answer streamed',
      run: async (id) => {
        const stream = await (
          await client('Librarian', id)
        ).chat.completions.create({
          model: 'echo',
          messages: [{ role: 'user', content: 'One word after the other.' }],
          stream: true,
        });
        const pieces: string[] = [];
        for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? '');
        const words = pieces.filter(Boolean);
        return `${words.length} pieces: ${words.map((word) => `"${word}"`).join(' ')}`;
      },
      expected: ALLOWED_CALL('Librarian'),
    },
  ];
}

/** A refusal with this status is what the step is to show; anything else is an error. */
async function refused(status: number, call: Promise<string>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpenAI.APIError && error.status === status)
      return `${error.constructor.name}: ${error.message}`;
    throw error;
  }
  throw new Error(`expected a refusal with ${status}, got an answer`);
}
