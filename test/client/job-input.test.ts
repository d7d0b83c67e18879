/** `job.openInput()`: a client feeds a job, through whatever happens to its connection. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { testRuntime } from '../../src/testing/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import type { RuntimeOptions } from '../../src/create-runtime.js';

function taking(run: (ctx: JobContext) => unknown, options: Omit<RuntimeOptions, 'clock'> = {}) {
  return testRuntime({
    ...options,
    agents: [
      defineAgent({ name: 'it', version: '1.0.0', takesInput: true, run: (_input, ctx) => run(ctx) }),
      defineAgent({
        name: 'deaf',
        version: '1.0.0',
        run: (_input, ctx) => new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)),
      }),
    ],
  });
}

const bytesOf = async ({ input }: JobContext): Promise<string> => {
  for await (const stream of input) return Buffer.from(await stream.bytes()).toString('base64');
  return '';
};

describe('job.openInput', () => {
  it('feeds text, bytes and values', async () => {
    const seen: unknown[] = [];
    await using test = taking(async ({ input }) => {
      for await (const stream of input) {
        for await (const value of stream) seen.push(value instanceof Uint8Array ? [...value] : value);
        if (stream.kind === 'event') break;
      }
    });
    const client = await test.connect();
    const job = await client.invoke('it');
    const text = await job.openInput({ kind: 'text', contentType: 'text/plain' });
    await text.write('grüße 🎈');
    await text.end();
    const bytes = await job.openInput({ kind: 'binary' });
    await bytes.write(new Uint8Array([0, 255]));
    await bytes.end();
    const events = await job.openInput({ kind: 'event' });
    await events.write({ n: 1 });
    await events.end();
    await job.result();
    expect(seen).toEqual(['grüße 🎈', [0, 255], { n: 1 }]);
    await expect(events.write({ n: 2 })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('rejects where the agent takes none, and what the kind cannot carry', async () => {
    await using test = taking(bytesOf);
    const client = await test.connect();
    const deaf = await client.invoke('deaf');
    await expect(deaf.openInput({ kind: 'text' })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const job = await client.invoke('it');
    const text = await job.openInput({ kind: 'text' });
    await expect(text.write('\ud800x')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await text.write('well');
    await text.end();
    expect((await job.result()).value).toBe(Buffer.from('well').toString('base64'));
  });

  it('ends with the error of the job, and tells the job of its own', async () => {
    await using test = taking(async ({ input, signal }) => {
      for await (const stream of input)
        return stream.text().catch((error: unknown) => (error as { code: string }).code);
      return signal.aborted;
    });
    const client = await test.connect();
    const given = await client.invoke('it');
    (await given.openInput({ kind: 'text' })).abort();
    expect((await given.result()).value).toBe('CANCELLED');
    const cancelled = await client.invoke('it');
    const input = await cancelled.openInput({ kind: 'text' });
    await cancelled.cancel();
    await cancelled.result().catch(() => undefined);
    await expect(input.end()).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('waits for an agent that reads slowly, so that little is under way (L7)', async () => {
    let read = 0;
    let written = 0;
    let ahead = 0;
    await using test = taking(async ({ input }) => {
      for await (const stream of input) {
        for await (const value of stream) {
          read += (value as Uint8Array).length;
          for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
          ahead = Math.max(ahead, written - read);
        }
        return read;
      }
      return -1;
    });
    const client = await test.connect();
    const job = await client.invoke('it');
    const input = await job.openInput({ kind: 'binary' });
    for (let n = 0; n < 256; n += 1) {
      await input.write(new Uint8Array(65_536).fill(n));
      written += 65_536;
    }
    await input.end();
    expect((await job.result()).value).toBe(256 * 65_536);
    expect(ahead).toBeLessThan(4 * 1_048_576);
  });

  it('loses and doubles nothing, however it is cut and whenever connections drop', async () => {
    const piece = fc.record({ bytes: fc.uint8Array({ maxLength: 40 }), drop: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 12 }),
        fc.integer({ min: 4, max: 16 }),
        async (pieces, chunkBytes) => {
          const wires: MemoryTransport[] = [];
          await using test = taking(bytesOf);
          const client = await test.connect({ onDial: (wire) => wires.push(wire), random: () => 0 });
          const job = await client.invoke('it');
          const input = await job.openInput({ kind: 'binary', chunkBytes });
          const done = (async () => {
            for (const { bytes, drop } of pieces) {
              if (drop) wires.at(-1)?.destroy();
              await input.write(bytes);
            }
            await input.end();
          })();
          for (let turn = 0; turn < 2 * pieces.length + 4; turn += 1) await test.clock.advance(1_000);
          await done;
          const whole = Buffer.concat(pieces.map(({ bytes }) => bytes));
          expect((await job.result()).value).toBe(whole.toString('base64'));
        },
      ),
      { numRuns: 20 },
    );
  });
});
