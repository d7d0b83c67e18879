/** What an operator can tell a run that goes on. */
import * as z from 'zod';

const run = z.string().min(1);
const task = z.string().min(1);
/** Where it is given, the task must be at that attempt: what was meant for an earlier one changes nothing. */
const attempt = z.int().min(0).optional();
const worker = z.string().min(1);

export const runCommand = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('pause'), run }),
  z.strictObject({ action: z.literal('resume'), run }),
  z.strictObject({ action: z.literal('drain'), run, worker }),
  z.strictObject({ action: z.literal('undrain'), run, worker }),
  z.strictObject({ action: z.literal('retire'), run, worker }),
  z.strictObject({ action: z.literal('interrupt'), run, task, attempt }),
  z.strictObject({ action: z.literal('restart'), run, task, attempt }),
]);

export type RunCommand = z.output<typeof runCommand>;
