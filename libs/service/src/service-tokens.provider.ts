import { type FactoryProvider } from '@nestjs/common';
import { type ServiceConfig } from '#config';
import { ServiceTokens } from '#http';
import { Metrics } from '#metrics';

/** One for the process: what it remembers of accepted tokens must be all that there is. */
export function serviceTokens({ name, auth }: Pick<ServiceConfig, 'name' | 'auth'>): FactoryProvider<ServiceTokens> {
  return {
    provide: ServiceTokens,
    inject: [Metrics],
    useFactory: (metrics: Metrics) => {
      const refused = metrics.counter('service_tokens_refused_total', "Services' tokens refused", ['reason']);
      const tokens = new ServiceTokens(name, auth.serviceKey, { onRefused: (reason) => refused.inc({ reason }) });
      metrics.gauge(
        'service_tokens_remembered',
        "Ids of services' tokens kept against replay",
        () => tokens.remembered,
      );
      return tokens;
    },
  };
}
