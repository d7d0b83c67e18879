/**
 * The agent behind `agent.handoff` from a client: its job begins here and goes on there at once. It is hosted where
 * runtimes are configured to hand over to, and a job of its own is found again after a restart (`hand-over.ts`, F3).
 */
import { z } from 'zod';
import { defineAgent } from '../../agents/define-agent.js';
import type { Agent } from '../../agents/agent.js';

export const HANDOFF_AGENT = 'arcp.handoff';

const input = z.object({
  runtime: z.union([z.string(), z.record(z.string(), z.unknown())]),
  agent: z.string(),
  arguments: z.unknown().optional(),
  shared_memory_ref: z.string().optional(),
  reason: z.string().optional(),
});

export const handoffAgent = defineAgent({
  name: HANDOFF_AGENT,
  version: '1.0.0',
  description: 'Hands {agent, arguments} over to {runtime}, a name or {fingerprint, kind?, url?}.',
  recovery: 'resume',
  input,
  run: ({ runtime, agent, arguments: args, shared_memory_ref: artifact, reason }, ctx) =>
    ctx.handoff(runtime, agent, {
      ...(args === undefined ? {} : { arguments: args }),
      ...(artifact === undefined ? {} : { artifact }),
      ...(reason === undefined ? {} : { reason }),
    }),
}) as Agent;
