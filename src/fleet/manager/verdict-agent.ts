/** The agent that has a person judge a task's work: a job of its own, so that the question outlives a restart. */
import { defineAgent } from '../../agents/define-agent.js';
import type { Agent } from '../../agents/agent.js';
import * as z from 'zod';

export const VERDICT_AGENT = 'fleet.verdict';

/** How long a person may take. */
const PATIENCE_MS = 7 * 24 * 3_600_000;

const CHOICES = [
  { id: 'pass', label: 'It is done' },
  { id: 'partial', label: 'It is done in part' },
  { id: 'fail', label: 'It is not done' },
];

export const verdictAgent: Agent = defineAgent({
  name: VERDICT_AGENT,
  version: '1.0.0',
  description: 'Has a person judge the work of a fleet task.',
  recovery: 'restart',
  input: z.object({ prompt: z.string() }),
  run: async ({ prompt }, ctx) => ({
    result: await ctx.choose(prompt, CHOICES, { key: 'verdict', expiresInMs: PATIENCE_MS }),
  }),
});
