import { plainJson, watch, WatchMetrics, type Decision, type WatchEvent } from '#decomposition';
import { serveMetrics } from './metrics-endpoint.js';
import { needed } from './needed.js';
import { openStreamOf } from './open-stream.js';
import { type Outcome, type PlanContext } from './verb.js';

/** Watches all services of the plan, or those that were named, until it is told to stop. */
export async function watchAll(context: PlanContext): Promise<Outcome> {
  const { plan, services, options, library, say } = context;
  const metrics = new WatchMetrics();
  const endpoint =
    options.metricsPort === undefined ? undefined : await serveMetrics(metrics.registry, options.metricsPort);
  if (endpoint)
    say(options.json ? JSON.stringify({ event: 'metrics', url: endpoint.url }) : `Metrics: ${endpoint.url}`);
  // Whatever ends one of them ends all: nobody should take for watched what is not.
  const stop = new AbortController();
  const moves = services.map((service) => {
    const move = context.open(service);
    return options.alert ? { ...move, plan: { ...plan, watch: { ...plan.watch, action: 'alert' as const } } } : move;
  });
  const reverse = options.alert ? () => Promise.resolve() : needed(library, 'reverse');
  const watching = moves.map((move) =>
    watch(move, {
      openStream: openStreamOf(library),
      reverse: (one) => reverse(one, { dryRun: false }),
      ...(library.followPartitions && { follow: library.followPartitions }),
      signal: stop.signal,
      onEvent: (event) => {
        const line = options.json ? JSON.stringify(plainJson(event)) : textOf(event);
        if (line !== undefined) say(line);
      },
      metrics,
    }).finally(() => stop.abort()),
  );
  try {
    const ended = await Promise.allSettled(watching);
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  } finally {
    await endpoint?.close();
  }
  return { code: 0, lines: [], report: {} };
}

/** Windows are for `--json` and the metrics; people read what happens. */
function textOf(event: WatchEvent): string | undefined {
  const news = newsOf(event);
  return news === undefined ? undefined : `${event.at.toISOString()} ${event.service}: ${news}`;
}

function newsOf(event: WatchEvent): string | undefined {
  switch (event.event) {
    case 'began':
      return `watching, phase ${event.phase ?? 'none yet'}; triggers ${event.action === 'reverse' ? 'reverse' : 'alert only'}`;
    case 'window':
      return undefined;
    case 'fired':
      return `${event.action === 'reverse' ? 'REVERSE' : 'ALERT'}: ${event.decisions.map(causeOf).join('; ')}`;
    case 'reversed':
      return `reversed in ${event.ms} ms`;
    case 'reverse_failed':
      return `reverse failed after ${event.ms} ms: ${event.message} ${event.next}`;
    case 'followed':
      return `made on the other side, too: ${event.made.join(', ')}`;
    case 'trouble':
      return `${event.what}: ${event.message}`;
    case 'recovered':
      return `${event.what}: well again`;
  }
}

function causeOf({ trigger, value, threshold }: Decision): string {
  const amount = Number.isFinite(value) ? value.toFixed(2) : 'beyond measure';
  return `${trigger} is ${amount}, the threshold ${threshold}`;
}
