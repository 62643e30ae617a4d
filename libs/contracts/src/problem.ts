import { z } from 'zod';

/** RFC 9457 problem details, as every service answers errors. `code` is stable and for programs; `detail` is for people. */
export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string(),
    request_id: z.string(),
  })
  .catchall(z.unknown());
export type Problem = z.output<typeof problem>;
