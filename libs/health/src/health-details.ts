import { Injectable } from '@nestjs/common';

/** What a part of a service has to say of itself in `/health`. `healthy: false` makes the whole unhealthy. */
export interface HealthDetail {
  healthy: boolean;
  [key: string]: unknown;
}

/** Parts register here when they start; `/health` reads them when asked. */
@Injectable()
export class HealthDetails {
  private readonly parts = new Map<string, () => HealthDetail>();

  add(part: string, read: () => HealthDetail): void {
    this.parts.set(part, read);
  }

  read(): { healthy: boolean; details: Record<string, Record<string, unknown>> } {
    let all = true;
    const details: Record<string, Record<string, unknown>> = {};
    for (const [part, read] of this.parts) {
      const { healthy, ...detail } = read();
      all &&= healthy;
      details[part] = detail;
    }
    return { healthy: all, details };
  }
}
