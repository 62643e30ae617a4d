import { Injectable } from '@nestjs/common';

/** The time, so that a test can hand in another. */
@Injectable()
export class Clock {
  now(): Date {
    return new Date();
  }

  /** Milliseconds since some moment; never goes back, whatever becomes of the host's time. */
  elapsed(): number {
    return performance.now();
  }
}
