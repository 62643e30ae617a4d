import { Body, Controller, Post, Req, Res } from '@nestjs/common';
import { type Response } from 'express';
import { chatRequest, type ChatRequest } from '#contracts';
import { ServiceError } from '#errors';
import { Authenticated, Call, Endpoint, type CallContext, type ServiceRequest } from '#http';
import { lastUserText } from '../history/kept-text.js';
import { ChatRelay } from './chat-relay.js';

@Authenticated()
@Controller('v1/chat')
export class ChatController {
  constructor(private readonly chats: ChatRelay) {}

  @Post('completions')
  @Endpoint({
    summary: 'A chat completion, as OpenAI has it',
    description:
      "Passed on to the router under the agent's own token. With `stream`, server-sent events as they arrive, `[DONE]` last. The last " +
      'user message and the answer are kept in the history before the answer ends; of an answer that is cut short, what came.',
    errors: {
      400: 'The body is not as described, or the provider does not like it',
      401: 'No valid token',
      403: 'Denied by policy, no valid certificate, or not an agent (`agent_token_required`)',
      404: 'There is no such model',
      413: 'The body is larger than 1 MiB',
      429: 'The provider asks to slow down',
      502: 'The provider failed, or its answer broke off',
      503: 'The router, the gatekeeper or the audit trail does not answer',
    },
  })
  async complete(
    @Body({ schema: chatRequest }) body: ChatRequest,
    @Call() { principal, requestId }: CallContext,
    @Req() request: ServiceRequest,
    @Res() response: Response,
  ): Promise<void> {
    if (principal.kind !== 'agent')
      throw new ServiceError('forbidden', 'agent_token_required', "Models answer agents; use an agent's token");
    const { tenantId, ghostId, token } = principal;
    const question = {
      tenantId,
      ghostId,
      requestId,
      sessionId: null,
      askedAt: new Date(),
      text: lastUserText(body.messages),
    };
    await this.chats.relay({ agentToken: token, body: request.body as unknown, question }, response);
  }
}
