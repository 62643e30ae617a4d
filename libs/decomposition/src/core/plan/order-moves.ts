import { type OrderStep } from './report.js';

export interface Moving {
  name: string;
  bytes: number;
}

/** That tables of one service refer to tables of another. */
export interface RefersTo {
  from: string;
  to: string;
  /** A foreign key, which somebody's switch has to drop; otherwise only announced. */
  foreignKey: boolean;
}

/**
 * In which order the services move best: who refers to others goes before those that are referred to, and small ones first.
 *
 * A cut foreign key has to be dropped when the first of its two tables switches: from then on one of them is only a copy, fed by a stream
 * that knows no foreign keys and that is a moment behind. If the table that refers goes first, that is a change to tables that
 * move at that time anyway, one that the plan of that service announces (`external_refs`), and that its `reverse` takes back. If
 * the table that is referred to went first, a switch would take constraints off tables of a service that nobody is moving, and a
 * `reverse` would have to prove them again on tables that are written to. Joins on the source go on as they were in either case, because
 * the reverse streams keep it whole until `complete`.
 *
 * Where services refer to each other in a circle, the one goes next that fewest foreign keys of those left refer to.
 */
export function orderMoves(services: readonly Moving[], references: readonly RefersTo[]): OrderStep[] {
  const left = new Map(services.map((service, place) => [service.name, { ...service, place }]));
  const apart = references.filter(({ from, to }) => from !== to);
  const steps: OrderStep[] = [];
  while (left.size > 0) {
    const into = (name: string, foreignKey: boolean): RefersTo[] =>
      apart.filter((one) => one.to === name && left.has(one.from) && one.foreignKey === foreignKey);
    const [next] = [...left.values()].sort(
      (a, b) =>
        into(a.name, true).length - into(b.name, true).length ||
        into(a.name, false).length - into(b.name, false).length ||
        a.bytes - b.bytes ||
        a.place - b.place,
    );
    const { name, bytes } = next!;
    const moved = new Set(steps.map(({ service }) => service));
    const own = apart.filter((one) => one.foreignKey && one.from === name && !moved.has(one.to)).length;
    const others = into(name, true);
    steps.push({ service: name, bytes, drops: own, dropsOfOthers: others.length, why: why(own, others) });
    left.delete(name);
  }
  return steps;
}

function why(own: number, others: readonly RefersTo[]): string {
  const drops =
    own === 0 ? 'drops no foreign key of its own' : `drops ${own} foreign ${own === 1 ? 'key' : 'keys'} of its own`;
  if (others.length === 0) return `no foreign key of what is left refers to it; its switch ${drops}`;
  const names = [...new Set(others.map(({ from }) => from))].join(', ');
  return `part of a circle: its switch ${drops}, and ${others.length} of ${names}, not moved by then`;
}
