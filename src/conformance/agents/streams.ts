/** The agents of streams: one that opens two, and one that takes one in. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Agent, JobContext, JobStream } from '../../agents/agent.js';
import { defineAgent } from '../../agents/define-agent.js';
import { ArcpError } from '../../protocol/errors.js';

/** Resolves when the stream has it, so that each value is a chunk of its own. */
function write(stream: JobStream, value: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(value, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}

function end(stream: JobStream): Promise<void> {
  return new Promise((resolve) => {
    stream.end(resolve);
  });
}

const streamer = defineAgent({
  name: 'streamer',
  version: '1.0.0',
  description:
    'Opens a stream of kind thought and then one of kind text, {count=3} chunks each; value is {thoughts, bytes}.',
  input: z.object({ count: z.int().min(0).max(1_000).default(3) }),
  run: async ({ count }, ctx) => {
    const thoughts = ctx.openStream({ kind: 'thought' });
    for (let n = 1; n <= count; n += 1) await write(thoughts, { content: `thought ${n}`, role: 'assistant' });
    await end(thoughts);
    const text = ctx.openStream({ kind: 'text' });
    let bytes = 0;
    for (let n = 1; n <= count; n += 1) {
      const line = `line ${n}\n`;
      bytes += line.length;
      await write(text, line);
    }
    await end(text);
    return { thoughts: count, bytes };
  },
});

const collector = defineAgent({
  name: 'collector',
  version: '1.0.0',
  description:
    'Reads the first stream that is opened into it; value is {kind, chunks}, for text and binary also {bytes, sha256}.',
  takesInput: true,
  run: async (_input, ctx) => {
    for await (const stream of ctx.input) return collected(stream);
    throw new ArcpError('FAILED_PRECONDITION', 'no stream came');
  },
});

type Input = JobContext['input'] extends AsyncIterable<infer Stream> ? Stream : never;

async function collected(stream: Input): Promise<object> {
  const { kind } = stream;
  const hash = createHash('sha256');
  let [chunks, bytes] = [0, 0];
  for await (const value of stream) {
    chunks += 1;
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) continue;
    hash.update(value);
    bytes += Buffer.byteLength(value);
  }
  const isContinuous = kind === 'text' || kind === 'binary';
  return { kind, chunks, ...(isContinuous ? { bytes, sha256: hash.digest('hex') } : {}) };
}

export const streamAgents: readonly Agent[] = [streamer, collector];
