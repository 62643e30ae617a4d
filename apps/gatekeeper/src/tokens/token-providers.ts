import { type FactoryProvider, type Provider } from '@nestjs/common';
import { Metrics } from '#metrics';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { AuthenticationFailures } from './authentication-failures.js';
import { Clock } from './clock.js';
import { IdentityProvider } from './identity-provider.js';
import { Revocations } from './revocations.js';
import { RevocationsRepository } from './revocations.repository.js';
import { TokenVerifier } from './token-verifier.js';

const verifier: FactoryProvider<TokenVerifier> = {
  provide: TokenVerifier,
  inject: [CONFIG, IdentityProvider, Revocations, Clock, Metrics],
  useFactory: (
    { jwt }: GatekeeperConfig,
    provider: IdentityProvider,
    revocations: Revocations,
    clock: Clock,
    metrics: Metrics,
  ) => {
    const tokens = new TokenVerifier({
      secret: jwt.secret,
      expected: jwt,
      remoteKeys: provider.keys,
      revocations: revocations.list,
      clock,
    });
    provider.onChange = () => tokens.forget();
    const { verified } = tokens;
    metrics.counterFrom('token_cache_hits_total', 'Tokens that were verified before', () => verified.hits);
    metrics.counterFrom('token_cache_misses_total', 'Tokens that were not, or were no good', () => verified.misses);
    metrics.gauge('token_cache_entries', 'Verified tokens in memory', () => verified.size);
    metrics.gauge('token_cache_bytes', 'What they take, estimated', () => verified.bytes);
    return tokens;
  },
};

/** All that it takes to know a token. */
export const tokenProviders: Provider[] = [
  Clock,
  AuthenticationFailures,
  RevocationsRepository,
  Revocations,
  IdentityProvider,
  verifier,
];
