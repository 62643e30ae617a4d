import { type BatchBuffer } from '#batching';
import { type Metrics } from '#metrics';

/**
 * Publishes a buffer's fill and bound.
 *
 * @returns the counter of what it could not take or deliver
 */
export function bufferMetrics<T>(metrics: Metrics, name: string, buffer: BatchBuffer<T>) {
  metrics.gauge(`${name}_buffer_size`, 'Items accepted and not yet written', () => buffer.size);
  metrics.gauge(`${name}_buffer_capacity`, 'Items that the buffer holds at most', () => buffer.capacity);
  return metrics.counter(`${name}_lost_total`, 'Items that were not taken or not delivered');
}
