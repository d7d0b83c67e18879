/** The agents whose result comes in chunks, and two that stream it wrongly. */
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { Agent, JobContext } from '../../agents/agent.js';
import { defineAgent } from '../../agents/define-agent.js';
import { encodeBase64 } from '../../protocol/base64.js';
import { RandomBytes } from './random-bytes.js';

const REPORT_SECTIONS = ['Section 1: hello ', 'Section 2: world ', 'Section 3: end'] as const;

/** What the artifact is made of at once. */
const PIECE_BYTES = 65_536;

const reportBuilder = defineAgent({
  name: 'report-builder',
  version: '1.0.0',
  description: 'Streams a text of 48 bytes in three utf8 chunks.',
  run: (_input, ctx) => {
    REPORT_SECTIONS.forEach((section, seq) => chunk(ctx, seq, section, seq < REPORT_SECTIONS.length - 1));
  },
});

const binaryReport = defineAgent({
  name: 'binary-report',
  version: '1.0.0',
  description:
    'Streams {bytes=1000000} pseudo-random bytes of {seed=1} in base64 chunks of {chunkBytes=65536}; the summary has their SHA-256.',
  input: z.object({
    bytes: z.int().min(0).max(268_435_456).default(1_000_000),
    chunkBytes: z.int().min(1).max(1_048_576).default(65_536),
    seed: z.int().min(0).max(0xffff_ffff).default(1),
  }),
  run: async ({ bytes, chunkBytes, seed }, ctx) => {
    const random = new RandomBytes(seed);
    const hash = createHash('sha256');
    const last = Math.max(1, Math.ceil(bytes / chunkBytes)) - 1;
    for (let seq = 0; seq <= last; seq++) {
      ctx.signal.throwIfAborted();
      const piece = random.take(Math.min(chunkBytes, bytes - seq * chunkBytes));
      hash.update(piece);
      ctx.resultChunk({
        result_id: resultId(ctx),
        chunk_seq: seq,
        data: encodeBase64(piece),
        encoding: 'base64',
        more: seq < last,
      });
      await ctx.flushed();
      // A turn of the loop for everybody else: a store in memory is done before the turn ends.
      await setImmediate();
    }
    ctx.summarize(`${bytes} bytes, sha256 ${hash.digest('hex')}`);
  },
});

const artifactReport = defineAgent({
  name: 'artifact-report',
  version: '1.0.0',
  description:
    'Gives {bytes=1000000} pseudo-random bytes of {seed=1} as an artifact, which job.completed names in result_ref.',
  input: z.object({
    bytes: z.int().min(0).max(268_435_456).default(1_000_000),
    seed: z.int().min(0).max(0xffff_ffff).default(1),
  }),
  run: async ({ bytes, seed }, ctx) => {
    const random = new RandomBytes(seed);
    const pieces = function* (): Generator<Uint8Array> {
      for (let left = bytes; left > 0; left -= PIECE_BYTES) yield random.take(Math.min(left, PIECE_BYTES));
    };
    const result = ctx.openResult({ as: 'artifact', mediaType: 'application/octet-stream' });
    await pipeline(pieces, result, { signal: ctx.signal });
  },
});

const streamThenInline = defineAgent({
  name: 'stream-then-inline',
  version: '1.0.0',
  description: 'Streams a result and then returns another one: the runtime must fail it.',
  run: (_input, ctx) => {
    chunk(ctx, 0, 'streamed', false);
    return 'inline';
  },
});

const outOfOrder = defineAgent({
  name: 'out-of-order',
  version: '1.0.0',
  description: 'Sends chunk 0 and then chunk 2: the runtime must fail it.',
  run: (_input, ctx) => {
    chunk(ctx, 0, 'first', true);
    chunk(ctx, 2, 'third', false);
  },
});

function chunk(ctx: JobContext, chunkSeq: number, data: string, more: boolean): void {
  ctx.resultChunk({ result_id: resultId(ctx), chunk_seq: chunkSeq, data, encoding: 'utf8', more });
}

function resultId({ jobId }: JobContext): string {
  return `res_${jobId}`;
}

export const streamingAgents: readonly Agent[] = [
  reportBuilder,
  binaryReport,
  artifactReport,
  streamThenInline,
  outOfOrder,
];
