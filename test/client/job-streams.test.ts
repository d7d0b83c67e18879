/** `job.streams()`: what a client makes of the streams of a job, on a real runtime in memory. */
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { testRuntime } from '../../src/testing/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import type { RuntimeOptions } from '../../src/create-runtime.js';

function hosting(run: (ctx: JobContext) => unknown, options: Omit<RuntimeOptions, 'clock'> = {}) {
  return testRuntime({
    ...options,
    agents: [defineAgent({ name: 'it', version: '1.0.0', run: (_input, ctx) => run(ctx) })],
  });
}

function write(stream: NodeJS.WritableStream, data: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data as string, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

/** As many megabytes as are asked for, in pieces of 64 KiB; how many were written. */
function flood(megabytes: number) {
  const written = { bytes: 0 };
  const run = async (ctx: JobContext): Promise<void> => {
    const stream = ctx.openStream({ kind: 'binary' });
    while (written.bytes < megabytes * 1_048_576) {
      await write(stream, Buffer.alloc(65_536, written.bytes / 65_536));
      written.bytes += 65_536;
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.end();
  };
  return { run, written };
}

describe('job.streams', () => {
  it('gives each stream as it opens: its text, its bytes, or its values', async () => {
    await using test = hosting((ctx) => {
      const text = ctx.openStream({ kind: 'text', contentType: 'text/plain' });
      const thoughts = ctx.openStream({ kind: 'thought' });
      text.write('grüße ');
      thoughts.write({ role: 'assistant', content: 'hm' });
      text.end('🎈');
      thoughts.end();
      ctx.openStream({ kind: 'binary' }).end(Buffer.from([0, 255]));
    });
    const client = await test.connect();
    const job = await client.invoke('it');
    const seen: unknown[] = [];
    for await (const stream of job.streams()) {
      if (stream.is('text')) seen.push(stream.contentType, await stream.text());
      else if (stream.is('binary')) seen.push([...(await stream.bytes())]);
      else for await (const value of stream) seen.push(value);
    }
    expect(seen).toEqual(['text/plain', 'grüße 🎈', { role: 'assistant', content: 'hm' }, [0, 255]]);
  });

  it('gives the text as bytes, and refuses to make text of bytes', async () => {
    await using test = hosting((ctx) => {
      ctx.openStream({ kind: 'text' }).end('ü');
      ctx.openStream({ kind: 'binary' }).end(Buffer.from([1]));
    });
    const client = await test.connect();
    const job = await client.invoke('it');
    const streams = job.streams();
    expect([...((await (await streams.next()).value?.bytes()) ?? [])]).toEqual([0xc3, 0xbc]);
    await expect((await streams.next()).value?.text()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await streams.next()).done).toBe(true);
  });

  it('fails one stream with its own error, and no other', async () => {
    await using test = hosting((ctx) => {
      ctx.openStream({ kind: 'text' }).destroy(new Error('source broke'));
      ctx.openStream({ kind: 'text' }).end('well');
    });
    const client = await test.connect();
    const streams = (await client.invoke('it')).streams();
    await expect((await streams.next()).value?.text()).rejects.toMatchObject({
      code: 'INTERNAL',
      message: 'source broke',
    });
    expect(await (await streams.next()).value?.text()).toBe('well');
  });

  it('goes on through a dropped connection without a gap or a repeat', async () => {
    const wires: MemoryTransport[] = [];
    await using test = hosting(async (ctx) => {
      const stream = ctx.openStream({ kind: 'text' });
      for (let n = 0; n < 50; n += 1) {
        await write(stream, `${n} `);
        if (n % 5 === 0) wires.at(-1)?.destroy();
        await new Promise((resolve) => setImmediate(resolve));
      }
      stream.end();
    });
    const client = await test.connect({ onDial: (wire) => wires.push(wire), random: () => 0 });
    const job = await client.invoke('it');
    const text = job
      .streams()
      .next()
      .then(({ value }) => value?.text());
    for (let turn = 0; turn < 40; turn += 1) await test.clock.advance(1_000);
    expect(await text).toBe(Array.from({ length: 50 }, (_, n) => `${n} `).join(''));
    expect(wires.length).toBeGreaterThan(2);
  });

  it('slows the job down to the pace of a reader, so that little waits here (L7)', async () => {
    const { run, written } = flood(16);
    await using test = hosting(run, { limits: { maxStreamPauseMs: 3_600_000 } });
    const client = await test.connect();
    const job = await client.invoke('it');
    const { value: stream } = await job.streams().next();
    const reader = stream?.[Symbol.asyncIterator]();
    let read = 0;
    let ahead = 0;
    for (;;) {
      const next = await reader?.next();
      if (next === undefined || next.done === true) break;
      read += (next.value as Uint8Array).length;
      // The agent may do as much as it likes between two reads.
      if (read % 1_048_576 === 0) await test.clock.settle();
      for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      ahead = Math.max(ahead, written.bytes - read);
    }
    expect(read).toBe(16 * 1_048_576);
    expect(ahead).toBeLessThan(3 * 1_048_576);
  });

  it('does not slow the job down for a stream that nobody reads, or that is only watched', async () => {
    const { run } = flood(4);
    await using test = hosting(run, { limits: { maxStreamPauseMs: 3_600_000 } });
    const owner = await test.connect({ principal: 'ada' });
    const watcher = await test.connect({ principal: 'ada' });
    const job = await owner.invoke('it');
    const watched = await watcher.watch(job.id);
    const notices: unknown[] = [];
    watcher.on('notice', (notice) => notices.push(notice));
    const unread = await watched.streams().next();
    await unread.value?.[Symbol.asyncIterator]().next();
    await job.result();
    expect(notices).toEqual([]);
  });
});
