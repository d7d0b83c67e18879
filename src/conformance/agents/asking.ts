/** The agents that wait for a person. */
import { z } from 'zod';
import type { JsonSchema } from '../../agents/questions.js';
import { defineAgent } from '../../agents/define-agent.js';

const MAX_OPTIONS = 100;

const asker = defineAgent({
  name: 'asker',
  version: '1.0.0',
  description:
    'Asks {prompt="What now?"} of a person and returns {answer}. {schema} is what the answer must satisfy, {default} the answer when nobody gives one within {expiresInMs=60000}.',
  input: z.object({
    prompt: z.string().default('What now?'),
    schema: z.custom<JsonSchema>().optional(),
    default: z.json().optional(),
    expiresInMs: z.int().min(1).default(60_000),
  }),
  run: async ({ prompt, schema, default: standsIn, expiresInMs }, ctx) => ({
    answer: await ctx.ask(prompt, {
      expiresInMs,
      ...(schema === undefined ? {} : { schema }),
      ...(standsIn === undefined ? {} : { default: standsIn }),
    }),
  }),
});

const chooser = defineAgent({
  name: 'chooser',
  version: '1.0.0',
  description:
    'Has a person choose one of {options=["yes","no"]} and returns {choice}. {default} is chosen when nobody chooses within {expiresInMs=60000}.',
  input: z.object({
    prompt: z.string().default('Which one?'),
    options: z.array(z.string()).min(1).max(MAX_OPTIONS).default(['yes', 'no']),
    default: z.string().optional(),
    expiresInMs: z.int().min(1).default(60_000),
  }),
  run: async ({ prompt, options, default: standsIn, expiresInMs }, ctx) => ({
    choice: await ctx.choose(
      prompt,
      options.map((id) => ({ id, label: id })),
      { expiresInMs, ...(standsIn === undefined ? {} : { default: standsIn }) },
    ),
  }),
});

const needsPermission = defineAgent({
  name: 'needs-permission',
  version: '1.0.0',
  description:
    'Asks for {permission="fs.write"} on {resource="/data/**"} to {operation="write"} and returns what the lease says that was granted.',
  input: z.object({
    permission: z.string().default('fs.write'),
    resource: z.string().default('/data/**'),
    operation: z.string().default('write'),
    leaseSeconds: z.int().min(1).default(60),
    expiresInMs: z.int().min(1).default(60_000),
  }),
  run: async (request, ctx) => {
    const { permission, resource, operation } = await ctx.requestPermission(request);
    return { permission, resource, operation };
  },
});

export const askingAgents = [asker, chooser, needsPermission];
