import { Body, Controller, Inject, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiProduces } from '@nestjs/swagger';
import { type Response } from 'express';
import { type z } from 'zod';
import { chatCompletion, chatRequest } from '#contracts';
import { BearerToken, bearerToken, Endpoint, type ServiceRequest } from '#http';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { AgentTokenGuard } from './agent-token.guard.js';
import { clientGone } from './client-gone.js';
import { CompleteChat } from './complete-chat.js';
import { sendEvents } from './event-stream.js';
import { Running } from './running.js';

@Controller('v1/chat/completions')
export class CompletionsController {
  constructor(
    private readonly chat: CompleteChat,
    private readonly running: Running,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Post()
  @BearerToken()
  @UseGuards(AgentTokenGuard)
  @ApiProduces('application/json', 'text/event-stream')
  @Endpoint({
    summary: "A chat completion, as OpenAI's API has it",
    description:
      '`model` names a shell, a ghost, or is `auto`. With `stream` the answer is a stream of `chat.completion.chunk` events that ' +
      'ends with `[DONE]`; a failure in mid-stream is an event with `error`. Errors carry `error` for OpenAI clients beside the ' +
      "problem's own members.",
    response: chatCompletion,
    errors: {
      400: 'The body is not as described, or the provider does not accept the request',
      401: 'No token, or one that is not valid',
      403: 'Denied by policy, or no valid certificate',
      404: 'There is no such model (`model_not_found`)',
      413: 'The body is larger than 1 MiB',
      429: 'The provider wants us to slow down (`upstream_rate_limited`), with Retry-After if it says so',
      502: 'The provider failed (`upstream_error`), or does not accept our key (`provider_credentials`)',
      503: 'The provider is not configured (`provider_not_configured`), or the gatekeeper, the guardian or the audit trail is not there',
    },
  })
  complete(
    @Body({ schema: chatRequest }) body: z.output<typeof chatRequest>,
    @Req() request: ServiceRequest,
    @Res() response: Response,
  ): Promise<void> {
    const answered = this.answer(body, request, response);
    // Also of those whose client is gone there is something left to record.
    this.running.track(answered);
    return answered;
  }

  private async answer(body: z.output<typeof chatRequest>, request: ServiceRequest, response: Response): Promise<void> {
    const { requestId } = request;
    const gone = clientGone(response);
    try {
      const answer = await this.chat.run(body, { token: bearerToken(request.headers.authorization), requestId, gone });
      // The session in the guardian, in the trail and in the lobby's history.
      response.setHeader('x-session-id', answer.sessionId);
      if (answer.kind === 'complete') response.json(answer.completion);
      else
        await sendEvents(response, answer.events, {
          requestId,
          gone,
          onFailure: (error) => this.logger.error({ err: error, request_id: requestId }, 'a stream broke off'),
        });
    } catch (error) {
      // Nobody is there to be told.
      if (!gone.aborted) throw error;
    }
  }
}
