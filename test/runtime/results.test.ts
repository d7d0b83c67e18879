/** Streamed results (arcp-core §12): what is a whole one, and everything that is none. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { ArcpError, defineAgent, type JobContext, type ResultStream } from '../../src/index.js';
import { ResultChunkAssembler } from '../../src/protocol/result-chunks.js';
import type { Limits } from '../../src/runtime/limits.js';
import { bench } from './bench.js';

async function run(agent: (ctx: JobContext) => unknown, limits: Partial<Limits> = {}) {
  await using test = bench({
    agents: [defineAgent({ name: 'it', version: '1.0.0', run: (_input, ctx) => agent(ctx) })],
    limits,
  });
  const client = await test.open();
  const terminal = await client.terminal(await client.accepted('it'));
  const chunks = client
    .events()
    .flatMap((frame) => (frame.type === 'job.result_chunk' ? [frame.payload] : []));
  return { terminal, chunks };
}

function assembled(chunks: Awaited<ReturnType<typeof run>>['chunks']): Uint8Array {
  const assembler = new ResultChunkAssembler();
  for (const chunk of chunks) assembler.push(chunk);
  return assembler.finish();
}

const chunk = (seq: number, more: boolean, rest: object = {}) => ({
  result_id: 'res_1',
  chunk_seq: seq,
  data: 'abc',
  encoding: 'utf8' as const,
  more,
  ...rest,
});

describe('ctx.openResult', () => {
  it('streams text in utf8 chunks, and the completion names it with its size in bytes', async () => {
    const text = 'grüße 🎈 '.repeat(2_000);
    const { terminal, chunks } = await run(async (ctx) => {
      await pipeline(
        Readable.from([text.slice(0, 7_777), text.slice(7_777)]),
        ctx.openResult({ chunkBytes: 1_000 }),
      );
    });
    const bytes = Buffer.from(text);
    expect(terminal).toMatchObject({
      type: 'job.completed',
      payload: { result_id: chunks[0]?.result_id, result_size: bytes.length },
    });
    expect('value' in terminal.payload).toBe(false);
    expect(Buffer.from(assembled(chunks)).equals(bytes)).toBe(true);
    expect(Math.max(...chunks.map(({ data }) => Buffer.byteLength(data)))).toBeLessThanOrEqual(1_000);
    expect(chunks.filter(({ more }) => !more)).toHaveLength(1);
  });

  it('streams bytes in base64 chunks', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31) % 256));
    const { terminal, chunks } = await run(async (ctx) => {
      await pipeline(Readable.from([bytes]), ctx.openResult({ encoding: 'base64' }));
      ctx.summarize('bytes');
    });
    expect(terminal.payload).toMatchObject({ result_size: 300_000, summary: 'bytes' });
    expect(Buffer.from(assembled(chunks)).equals(bytes)).toBe(true);
  });

  it('takes more at once than may wait for the store, whoever does not wait for room (L7)', async () => {
    const bytes = Buffer.alloc(20 * 1_048_576, 'a');
    const written = await run(
      (ctx) => {
        const stream = ctx.openResult({ chunkBytes: 262_144 });
        for (let at = 0; at < bytes.length; at += 262_144) stream.write(bytes.subarray(at, at + 262_144));
        stream.end();
      },
      { maxPendingBytes: 8 * 1_048_576 },
    );
    expect(written.terminal.payload).toMatchObject({ result_size: bytes.length });
  });

  it('may be empty: one final chunk of nothing', async () => {
    const { terminal, chunks } = await run((ctx) => void ctx.openResult().end());
    expect(terminal).toMatchObject({ type: 'job.completed', payload: { result_size: 0 } });
    expect(chunks).toMatchObject([{ data: '', more: false }]);
  });

  it('may be ended as the agent returns: the job waits for the last chunk', async () => {
    const { terminal, chunks } = await run((ctx) => {
      const stream = ctx.openResult();
      stream.write('one ');
      stream.end('two');
    });
    expect(terminal).toMatchObject({ type: 'job.completed', payload: { result_size: 7 } });
    expect(Buffer.from(assembled(chunks)).toString()).toBe('one two');
  });

  it('a write is done when the store has its chunks, which paces the source', async () => {
    let ahead = 0;
    await run(async (ctx) => {
      const stream = ctx.openResult({ chunkBytes: 100 });
      for (let n = 0; n < 50; n += 1) {
        if (!stream.write('x'.repeat(100))) await new Promise((resolve) => stream.once('drain', resolve));
        ahead = Math.max(ahead, stream.writableLength);
      }
      stream.end();
    });
    expect(ahead).toBe(0);
  });

  it.each<[string, (stream: ResultStream) => unknown]>([
    ['never ended', (stream) => void stream.write('x')],
    ['destroyed', (stream) => void stream.destroy()],
    ['ended and then destroyed', (stream) => void stream.end('x').destroy()],
    ['destroyed with an error', (stream) => void stream.destroy(new Error('source broke'))],
    [
      'broken by its source',
      async (stream) => {
        await pipeline(failing(), stream).catch(() => undefined);
      },
    ],
    [
      'written after its end',
      (stream) => {
        stream.end('x');
        stream.write('y');
      },
    ],
  ])('that is %s fails the job', async (_what, use) => {
    const { terminal } = await run((ctx) => use(ctx.openResult()));
    expect(terminal.type).toBe('job.failed');
  });

  it('is opened once', async () => {
    let second: unknown;
    const { terminal } = await run((ctx) => {
      const stream = ctx.openResult();
      try {
        ctx.openResult();
      } catch (error) {
        second = error;
      }
      stream.end('x');
    });
    expect(second).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(terminal.type).toBe('job.completed');
  });

  it.each([0, 3, 1_048_577, 1.5, Number.NaN])('with chunks of %s bytes is refused', async (chunkBytes) => {
    const { terminal } = await run((ctx) => ctx.openResult({ chunkBytes }));
    expect(terminal).toMatchObject({ payload: { code: 'INVALID_ARGUMENT' } });
  });

  it('after a cancel breaks the write, and the process lives', async () => {
    let broke: unknown;
    const agent = defineAgent({
      name: 'late',
      version: '1.0.0',
      run: (_in, ctx) =>
        new Promise<void>((resolve) => {
          const stream = ctx.openResult();
          ctx.signal.addEventListener('abort', () => {
            resolve();
            setImmediate(() =>
              stream.write('too late', (error) => {
                broke = error;
              }),
            );
          });
        }),
    });
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const jobId = await client.accepted('late');
    client.send('cancel', { target: 'job', target_id: jobId });
    expect((await client.terminal(jobId)).type).toBe('job.cancelled');
    await test.clock.settle();
    expect(broke).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});

function* failing(): Generator<string> {
  yield 'first';
  throw new Error('source broke');
}

describe('a sequence that is wrong spoils the result, even where the agent hides it', () => {
  it.each<[string, (ctx: JobContext) => void, string]>([
    [
      'it begins at 1',
      (ctx) => {
        ctx.resultChunk(chunk(1, false));
      },
      'FAILED_PRECONDITION',
    ],
    [
      'a gap',
      (ctx) => {
        ctx.resultChunk(chunk(0, true));
        ctx.resultChunk(chunk(2, false));
      },
      'OUT_OF_RANGE',
    ],
    [
      'a repeat',
      (ctx) => {
        ctx.resultChunk(chunk(0, true));
        ctx.resultChunk(chunk(0, true));
      },
      'OUT_OF_RANGE',
    ],
    [
      'more after the end',
      (ctx) => {
        ctx.resultChunk(chunk(0, false));
        ctx.resultChunk(chunk(1, false));
      },
      'FAILED_PRECONDITION',
    ],
    [
      'another result_id',
      (ctx) => {
        ctx.resultChunk(chunk(0, true));
        ctx.resultChunk(chunk(1, false, { result_id: 'res_2' }));
      },
      'FAILED_PRECONDITION',
    ],
    [
      'another encoding',
      (ctx) => {
        ctx.resultChunk(chunk(0, true));
        ctx.resultChunk(chunk(1, false, { encoding: 'base64', data: 'YQ==' }));
      },
      'FAILED_PRECONDITION',
    ],
    [
      'base64 that is none',
      (ctx) => {
        ctx.resultChunk(chunk(0, false, { encoding: 'base64', data: 'a' }));
      },
      'INVALID_ARGUMENT',
    ],
    [
      'a lone surrogate (decision 19)',
      (ctx) => {
        ctx.resultChunk(chunk(0, false, { data: '\ud800' }));
      },
      'INVALID_ARGUMENT',
    ],
    [
      'a chunk too large for a frame',
      (ctx) => {
        ctx.resultChunk(chunk(0, false, { data: '\u0001'.repeat(1_000_000) }));
      },
      'RESOURCE_EXHAUSTED',
    ],
    [
      'a chunk over the limit',
      (ctx) => {
        ctx.resultChunk(chunk(0, false, { data: 'x'.repeat(1_048_577) }));
      },
      'RESOURCE_EXHAUSTED',
    ],
  ])('%s', async (_what, send, code) => {
    const loud = await run(send);
    expect(loud.terminal).toMatchObject({ type: 'job.failed', payload: { code } });
    const quiet = await run((ctx) => {
      expect(() => {
        send(ctx);
      }).toThrow(ArcpError);
    });
    expect(quiet.terminal).toMatchObject({ type: 'job.failed', payload: { code } });
  });

  it('a result that is not ended', async () => {
    const { terminal } = await run((ctx) => {
      ctx.resultChunk(chunk(0, true));
    });
    expect(terminal).toMatchObject({ type: 'job.failed', payload: { code: 'FAILED_PRECONDITION' } });
  });

  it('a streamed result and a returned one', async () => {
    const { terminal, chunks } = await run((ctx) => {
      ctx.resultChunk(chunk(0, false));
      return 'inline';
    });
    expect(chunks).toHaveLength(1);
    expect(terminal).toMatchObject({ type: 'job.failed', payload: { code: 'FAILED_PRECONDITION' } });
  });

  it('more than a result may hold (L7)', async () => {
    const { terminal, chunks } = await run(
      (ctx) => {
        for (let seq = 0; seq < 5; seq += 1) ctx.resultChunk(chunk(seq, true));
      },
      { maxResultBytes: 10 },
    );
    expect(chunks).toHaveLength(3);
    expect(terminal).toMatchObject({ type: 'job.failed', payload: { code: 'RESOURCE_EXHAUSTED' } });
  });
});
