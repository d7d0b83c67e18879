/** The agents that act on something outside: each makes one guarded act, and tells what came of it. */
import { z } from 'zod';
import type { Agent } from '../../agents/agent.js';
import { defineAgent } from '../../agents/define-agent.js';

const modelTool = defineAgent({
  name: 'model-tool',
  version: '1.0.0',
  description: 'Uses {model}, which its lease must allow under model.use, and returns {model}.',
  input: z.object({ model: z.string().min(1) }),
  run: async ({ model }, ctx) => ({ model: (await ctx.model.use(model)).model }),
});

const reader = defineAgent({
  name: 'reader',
  version: '1.0.0',
  description: 'Reads {path}, which its lease must cover under fs.read, and returns {text}.',
  input: z.object({ path: z.string().min(1) }),
  run: async ({ path }, ctx) => ({ text: await ctx.fs.readText(path, { maxBytes: 65_536 }) }),
});

const writer = defineAgent({
  name: 'writer',
  version: '1.0.0',
  description:
    'Writes {text="written"} to {path}, which its lease must cover under fs.write; returns {size}.',
  input: z.object({ path: z.string().min(1), text: z.string().default('written') }),
  run: async ({ path, text }, ctx) => {
    await ctx.fs.writeFile(path, text);
    return { size: Buffer.byteLength(text) };
  },
});

const fetcher = defineAgent({
  name: 'fetcher',
  version: '1.0.0',
  description:
    'Fetches {url}, which its lease must cover under net.fetch, redirects included; returns {status, text}.',
  input: z.object({ url: z.string().min(1) }),
  run: async ({ url }, ctx) => {
    const response = await ctx.fetch(url);
    return { status: response.status, text: await response.text() };
  },
});

const credentialed = defineAgent({
  name: 'credentialed',
  version: '1.0.0',
  description:
    'Uses {model}, where one is given, and returns what bounds it and the credential of its job: {models, remaining, expiresAt}.',
  input: z.object({ model: z.string().min(1).optional() }),
  run: async ({ model }, ctx) => {
    if (model !== undefined) await ctx.model.use(model);
    return {
      models: ctx.lease.capabilities['model.use'] ?? null,
      remaining: await ctx.lease.remaining(),
      expiresAt: ctx.lease.expiresAt ?? null,
    };
  },
});

export const actingAgents = [modelTool, credentialed, reader, writer, fetcher] as readonly Agent[];
