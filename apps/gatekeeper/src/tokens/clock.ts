import { Injectable } from '@nestjs/common';

/** What time it is, as something that a test can hand in another of. */
@Injectable()
export class Clock {
  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now();
  }
}
