import { AsyncLocalStorage } from 'node:async_hooks';

/** What a piece of work wants of the database. Without one it is a write: whoever says nothing must not be misled. */
export interface Intent {
  kind: 'read' | 'write';
  /** Whose work it is. After a write, this key's reads come from where it wrote. */
  readonly key?: string | undefined;
  /** What decides, the same way each time, whether its reads are among those that the target serves. Default: the key. */
  readonly spread?: string | undefined;
}

const intents = new AsyncLocalStorage<Intent>();

/** All that `work` asks of routed pools is meant so, also what it awaits. */
export function withIntent<T>(intent: Intent, work: () => T): T {
  return intents.run(intent, work);
}

export function currentIntent(): Intent | undefined {
  return intents.getStore();
}
