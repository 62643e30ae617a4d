import { beforeEach, describe, expect, it } from '@jest/globals';
import { Metrics } from './metrics.js';

describe('Metrics', () => {
  let metrics: Metrics;
  beforeEach(() => {
    metrics = new Metrics();
  });

  it('reads gauges and counters that are kept elsewhere whenever somebody asks', async () => {
    let value = 3;
    metrics.gauge('things', 'Things', () => value);
    metrics.counterFrom('things_total', 'All things', () => value * 10);
    expect(await metrics.registry.metrics()).toMatch(/^gravitas_things 3$[^]*^gravitas_things_total 30$/m);
    value = 4;
    expect(await metrics.registry.metrics()).toMatch(/^gravitas_things 4$[^]*^gravitas_things_total 40$/m);
  });

  it('tells counters that are kept elsewhere apart by a label', async () => {
    metrics.countersFrom('reads_total', 'Reads', 'side', () => ({ source: 3, target: 0 }));
    expect(await metrics.registry.metrics()).toMatch(
      /^gravitas_reads_total\{side="source"\} 3\ngravitas_reads_total\{side="target"\} 0$/m,
    );
  });

  it('counts times by the second, and other sizes by the bounds that it is given', async () => {
    metrics.histogram('wait_seconds', 'Times').observe(0.02);
    metrics.histogram('batch_events', 'Sizes', [], [10, 100]).observe(50);
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/^gravitas_wait_seconds_bucket\{le="0.01"\} 0$/m);
    expect(text).toMatch(/^gravitas_wait_seconds_bucket\{le="0.025"\} 1$/m);
    expect(text).toMatch(/^gravitas_batch_events_bucket\{le="10"\} 0$/m);
    expect(text).toMatch(/^gravitas_batch_events_bucket\{le="100"\} 1$/m);
  });
});
