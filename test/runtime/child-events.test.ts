/** The handle of a child, for the agent that delegated to it: its events (F1, F2) and its result. */
import { describe, expect, it } from 'vitest';
import { ArcpError, defineAgent, memoryStore, type ChildJob, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench } from './bench.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));

/** Logs this many lines. */
const chatty = agentNamed('chatty', async (ctx, input) => {
  for (let n = 0; n < (input as number); n += 1) {
    ctx.log('info', `${n}`);
    if (n % 7 === 0) await ctx.flushed();
  }
  return 'said';
});

async function typesOf(child: ChildJob): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of child.events) types.push(type);
  return types;
}

describe('the events of a child', () => {
  it('are all there, in order and typed, for who reads along and for who comes late', async () => {
    const reader = agentNamed('reader', async (ctx) => {
      const child = await ctx.delegate('chatty', { arguments: 100 });
      const said: string[] = [];
      for await (const event of child.events) if (event.type === 'log') said.push(event.payload.message);
      return { said, again: await typesOf(child) };
    });
    await using test = bench({ agents: [reader, chatty] });
    const client = await test.open();
    const { payload } = await client.terminal(await client.accepted('reader'));
    const lines = Array.from({ length: 100 }, (_, n) => `${n}`);
    const again = ['job.accepted', 'job.started', ...lines.map(() => 'log'), 'job.completed'];
    expect(payload).toEqual({ value: { said: lines, again } });
  });

  it('are envelopes of the child, with its lineage', async () => {
    const reader = agentNamed('reader', async (ctx) => {
      const child = await ctx.delegate('chatty', { arguments: 0 });
      for await (const event of child.events) return event;
      return undefined;
    });
    await using test = bench({ agents: [reader, chatty] });
    const client = await test.open();
    const job = await client.accepted('reader', {}, { trace_id: 'tr' });
    const { payload } = await client.terminal(job);
    expect(payload).toMatchObject({
      value: {
        arcp: '1.1',
        type: 'job.accepted',
        trace_id: 'tr',
        payload: { parent_job_id: job, root_job_id: job, depth: 1 },
      },
    });
  });

  it('cost nothing where nobody reads them, and a reader who is slow holds one page of them (L7)', async () => {
    const reads: number[] = [];
    const inner = memoryStore();
    const store = wrapStore(inner, {
      read: (log, after, limit) => {
        reads.push(after);
        return inner.read(log, after, limit);
      },
    });
    const steps: (() => void)[] = [];
    const reader = agentNamed('reader', async (ctx) => {
      const child = await ctx.delegate('chatty', { arguments: 1_000 });
      await child.outcome;
      await new Promise<void>((resolve) => steps.push(resolve));
      const events = child.events[Symbol.asyncIterator]();
      await events.next();
      await new Promise<void>((resolve) => steps.push(resolve));
      let count = 1;
      while ((await events.next()).done !== true) count += 1;
      return count;
    });
    await using test = bench({ agents: [reader, chatty], store });
    const client = await test.open();
    const job = await client.accepted('reader');
    await test.clock.settle();
    expect(reads).toEqual([]);
    steps.shift()?.();
    await test.clock.settle();
    expect(reads).toEqual([0]);
    steps.shift()?.();
    expect((await client.terminal(job)).payload).toEqual({ value: 1_003 });
  });

  it('that are no longer kept are DATA_LOSS, not an end (F1)', async () => {
    const reader = agentNamed('reader', async (ctx) => {
      const child = await ctx.delegate('chatty', { arguments: 100 });
      await child.outcome;
      const events = child.events[Symbol.asyncIterator]();
      await events.next();
      for (let n = 0; n < 3; n += 1) await (await ctx.delegate('chatty', { arguments: 1 })).outcome;
      await ctx.flushed();
      while ((await events.next()).done !== true);
    });
    await using test = bench({ agents: [reader, chatty], limits: { maxFinishedJobs: 1 } });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('reader'))).toMatchObject({
      payload: { code: 'DATA_LOSS', message: expect.stringContaining('event 16 of job') as string },
    });
  });

  it('are waited for until the job is stopped, and no longer (F2)', async () => {
    const seen: unknown[] = [];
    const reader = agentNamed('reader', async (ctx) => {
      const child = await ctx.delegate('forever', { onParentEnd: 'detach' });
      await typesOf(child).catch((error: unknown) => seen.push((error as ArcpError).code));
    });
    await using test = bench({ agents: [reader, forever] });
    const client = await test.open();
    const job = await client.accepted('reader');
    await test.clock.settle();
    client.send('cancel', { target: 'job', target_id: job });
    expect((await client.terminal(job)).type).toBe('job.cancelled');
    expect(seen).toEqual(['CANCELLED']);
  });

  it('can be left: other readers go on', async () => {
    const reader = agentNamed('reader', async (ctx) => {
      const child = await ctx.delegate('chatty', { arguments: 20 });
      const all = typesOf(child);
      for await (const { type } of child.events) if (type === 'job.started') break;
      return (await all).length;
    });
    await using test = bench({ agents: [reader, chatty] });
    const client = await test.open();
    expect((await client.terminal(await client.accepted('reader'))).payload).toEqual({ value: 23 });
  });
});

describe('the result of a child', () => {
  it('is its value, the bytes that it streamed, or the artifact that it made', async () => {
    const streams = agentNamed('streams', (ctx) => {
      ctx.openResult().end('grüße');
    });
    const stores = agentNamed('stores', (ctx) => {
      ctx.openResult({ as: 'artifact', mediaType: 'text/plain' }).end('kept');
    });
    const taker = agentNamed('taker', async (ctx) => {
      const bytes = await (await ctx.delegate('streams')).result();
      return {
        value: await (await ctx.delegate('chatty', { arguments: 1 })).result(),
        text: new TextDecoder().decode(bytes as Uint8Array),
        artifact: await (await ctx.delegate('stores')).result(),
      };
    });
    await using test = bench({ agents: [taker, chatty, streams, stores] });
    const client = await test.open();
    const { payload } = await client.terminal(await client.accepted('taker'));
    expect(payload).toMatchObject({
      value: { value: 'said', text: 'grüße', artifact: { media_type: 'text/plain', size: 4 } },
    });
  });

  it('rejects with how it failed, or CANCELLED, and harms nobody who does not look', async () => {
    const throws = agentNamed('throws', () => {
      throw new ArcpError('UNAVAILABLE', 'later', { retryable: true });
    });
    const taker = agentNamed('taker', async (ctx) => {
      const codes: unknown[] = [];
      const note = (error: unknown): void => {
        const { code, message, retryable } = error as ArcpError;
        codes.push([error instanceof ArcpError, code, message, retryable]);
      };
      await (await ctx.delegate('throws')).result().catch(note);
      const child = await ctx.delegate('forever');
      void child.result();
      child.cancel('enough');
      await child.result().catch(note);
      return codes;
    });
    await using test = bench({ agents: [taker, throws, forever] });
    const client = await test.open();
    expect((await client.terminal(await client.accepted('taker'))).payload).toEqual({
      value: [
        [true, 'UNAVAILABLE', 'later', true],
        [true, 'CANCELLED', 'enough', false],
      ],
    });
  });
});
