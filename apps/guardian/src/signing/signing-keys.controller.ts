import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { type z } from 'zod';
import {
  keyId,
  signingKeyList,
  signingKeyQuery,
  signingKeyRevokeRequest,
  signingKeyRevokeResponse,
  signingKeyRotateResponse,
  type SigningKeyList,
  type SigningKeyQuery,
  type SigningKeyRevokeResponse,
  type SigningKeyRotateResponse,
} from '#contracts';
import { Authenticated, Call, Endpoint, Requires, type CallContext } from '#http';
import { SIGNING_KEYS } from './signing-key-events.js';
import { SigningKeysService } from './signing-keys.service.js';

@Controller('signing-keys')
export class SigningKeysController {
  constructor(private readonly keys: SigningKeysService) {}

  @Get()
  @Authenticated()
  @Endpoint({
    summary: 'The public keys that certificates are verified with, newest first',
    response: signingKeyList,
    errors: { 400: 'The limit is not valid', 401: 'No valid token' },
  })
  list(@Query({ schema: signingKeyQuery }) query: SigningKeyQuery): Promise<SigningKeyList> {
    return this.keys.list(query);
  }

  @Post('rotate')
  @Requires('write', SIGNING_KEYS)
  @Endpoint({
    summary: 'Replace the signing key',
    description:
      'New certificates are signed with a new key. What the one before has signed stays valid; its private half is gone.',
    status: 201,
    response: signingKeyRotateResponse,
    errors: {
      401: 'No valid token',
      403: 'Not allowed',
      503: 'Not replaced, because it could not be recorded (`audit_unavailable`); or replaced, but not yet in use (`signing_key_unavailable`)',
    },
  })
  rotate(@Call() call: CallContext): Promise<SigningKeyRotateResponse> {
    return this.keys.rotate(call);
  }

  @Post(':key_id/revoke')
  @Requires('write', SIGNING_KEYS)
  @Endpoint({
    summary: 'Revoke a signing key that may be in other hands',
    description:
      'Every certificate that it signed is refused from now on; issue new ones. Where it is in use, the next certificate is signed ' +
      'with a new key. The first revocation stays. There is no way back.',
    response: signingKeyRevokeResponse,
    errors: {
      400: 'Not the id of a key, or the body is not as described',
      401: 'No valid token',
      403: 'Not allowed',
      404: 'There is no such key',
      503: 'Not revoked, because it could not be recorded (`audit_unavailable`)',
    },
  })
  revoke(
    @Param('key_id', { schema: keyId }) id: string,
    @Body({ schema: signingKeyRevokeRequest }) { reason }: z.output<typeof signingKeyRevokeRequest>,
    @Call() call: CallContext,
  ): Promise<SigningKeyRevokeResponse> {
    return this.keys.revoke(id, reason, call);
  }
}
