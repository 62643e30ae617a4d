import { type Finding, type Findings } from '../report.js';
import { type Survey } from '../survey.js';

/** Looks at one thing. */
export type Check = (survey: Survey, found: Found) => void;

/** Collects what checks find. */
export class Found implements Findings {
  readonly problems: Finding[] = [];
  readonly warnings: Finding[] = [];

  problem(finding: Finding): void {
    this.problems.push(finding);
  }

  warn(finding: Finding): void {
    this.warnings.push(finding);
  }
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
