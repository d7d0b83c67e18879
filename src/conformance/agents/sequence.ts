/** The workflow that has other agents do its steps, one after the other. */
import { z } from 'zod';
import { defineAgent } from '../../agents/define-agent.js';
import { ArcpError, isErrorCode } from '../../protocol/errors.js';

export const sequence = defineAgent({
  name: 'sequence',
  version: '1.0.0',
  kind: 'workflow',
  recovery: 'restart',
  description:
    'A workflow: delegates each of {steps: [{target, arguments={}}]} when the one before has completed; value is the list of their values.',
  input: z.object({
    steps: z
      .array(z.object({ target: z.string(), arguments: z.unknown().default({}) }))
      .max(100)
      .default([]),
  }),
  run: async ({ steps }, ctx) => {
    const values: unknown[] = [];
    for (const [index, { target, arguments: args }] of steps.entries()) {
      // Under a key, so that a step that was done is not done again when the workflow is started again.
      const child = await ctx.delegate(target, { arguments: args, key: `step-${index}`, signal: ctx.signal });
      const outcome = await child.outcome;
      if (outcome.status !== 'completed') {
        const code = outcome.status === 'failed' && isErrorCode(outcome.code) ? outcome.code : 'CANCELLED';
        const why = outcome.status === 'failed' ? outcome.message : (outcome.reason ?? 'it was cancelled');
        throw new ArcpError(code, `step ${index} (${target}): ${why}`, { details: { step: index } });
      }
      values.push(outcome.value ?? null);
      ctx.progress({ current: index + 1, total: steps.length, units: 'steps' });
    }
    return values;
  },
});
