/** The agent that has another one do the work. */
import { z } from 'zod';
import { defineAgent } from '../../agents/define-agent.js';
import { ArcpError, isErrorCode } from '../../protocol/errors.js';

export const delegator = defineAgent({
  name: 'delegator',
  version: '1.0.0',
  description:
    "Delegates {target, task, arguments?, context?, budget?}; ends as its child ends, with the child's value.",
  input: z.object({
    target: z.string(),
    task: z.string(),
    arguments: z.unknown().optional(),
    context: z.record(z.string(), z.unknown()).optional(),
    budget: z.array(z.string()).optional(),
  }),
  run: async ({ target, task, arguments: args, context, budget }, ctx) => {
    const child = await ctx.delegate(target, {
      task,
      signal: ctx.signal,
      ...(args === undefined ? {} : { arguments: args }),
      ...(context === undefined ? {} : { context }),
      ...(budget === undefined ? {} : { budget }),
    });
    const outcome = await child.outcome;
    switch (outcome.status) {
      case 'completed':
        return {
          status: outcome.status,
          job_id: child.jobId,
          ...(outcome.value === undefined ? {} : { value: outcome.value }),
          ...(outcome.summary === undefined ? {} : { summary: outcome.summary }),
          ...(outcome.result === undefined
            ? {}
            : { result_id: outcome.result.resultId, result_size: outcome.result.size }),
        };
      case 'failed':
        throw new ArcpError(isErrorCode(outcome.code) ? outcome.code : 'UNKNOWN', outcome.message, {
          retryable: outcome.retryable,
          details: { child_job_id: child.jobId },
        });
      case 'cancelled':
        throw new ArcpError('CANCELLED', outcome.reason ?? 'the child was cancelled', {
          details: { child_job_id: child.jobId },
        });
    }
  },
});
