/** The agent that shows how runs stand: `fleet.show`. What it answers costs what it shows. */
import * as z from 'zod';
import { defineAgent } from '../../agents/define-agent.js';
import type { Agent } from '../../agents/agent.js';
import { show, type Asked } from '../views/show.js';
import type { RunsOptions } from './control-agent.js';

export const SHOW_AGENT = 'fleet.show';

const run = z.string().min(1);

const asked = z.discriminatedUnion('show', [
  z.strictObject({ show: z.literal('runs') }),
  z.strictObject({ show: z.literal('run'), run }),
  z.strictObject({ show: z.literal('task'), run, task: z.string() }),
  /** Tasks from this place of the spec on, as many as one answer holds. */
  z.strictObject({ show: z.literal('tasks'), run, from: z.int().min(0).default(0) }),
]) satisfies z.ZodType<Asked>;

export function showAgent({ store, live }: RunsOptions): Agent {
  return defineAgent<Asked>({
    name: SHOW_AGENT,
    version: '1.0.0',
    description: 'Shows fleet runs and their tasks.',
    input: asked,
    run: async (request, { principal }) => {
      await live.refresh(principal);
      return await show(store, principal, request);
    },
  });
}
