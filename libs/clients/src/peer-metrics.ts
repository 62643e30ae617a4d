import { Injectable } from '@nestjs/common';
import { type ServiceName } from '#contracts';
import { Metrics } from '#metrics';
import { type PeerMeter } from './peer-client.js';

@Injectable()
export class PeerMetrics implements PeerMeter {
  private pending = 0;
  private readonly outages;

  constructor(metrics: Metrics) {
    metrics.gauge('peer_calls_pending', 'Calls to other services under way', () => this.pending);
    this.outages = metrics.counter('peer_outages_total', 'Tries of calls that ended in an outage', ['peer']);
  }

  begun(): void {
    this.pending++;
  }

  ended(): void {
    this.pending--;
  }

  outage(peer: ServiceName): void {
    this.outages.inc({ peer });
  }
}
