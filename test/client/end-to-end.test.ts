/** The client and our runtime over a real socket. */
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { connect, type Client, type ConnectOptions, type Notice } from '../../src/client/index.js';
import {
  bearerTokens,
  createRuntime,
  defineAgent,
  listen,
  type Agent,
  type Server,
} from '../../src/index.js';
import { cuttableProxy, type CuttableProxy } from './cuttable-proxy.js';
import { drain, rejection } from './fake-runtime.js';

const cleanUp: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const PAYLOAD = randomBytes(5_000_000);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const tokens = () => bearerTokens(new Map([['secret', 'alice']]));

let runs = 0;

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input: unknown) => input });

const counted = defineAgent({
  name: 'counted',
  version: '1.0.0',
  run: () => {
    runs += 1;
    return runs;
  },
});

const ticker = defineAgent({
  name: 'ticker',
  version: '1.0.0',
  input: z.object({ count: z.number() }),
  run: async ({ count }, ctx) => {
    for (let current = 1; current <= count; current++) {
      ctx.progress({ current, total: count });
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
});

const blob = defineAgent({
  name: 'blob',
  version: '1.0.0',
  run: (_input: unknown, ctx) => {
    ctx.openResult({ encoding: 'base64', chunkBytes: 65_536 }).end(PAYLOAD);
  },
});

const waiting = defineAgent({
  name: 'waiting',
  version: '1.0.0',
  run: (_input: unknown, ctx) =>
    new Promise((_, reject) => {
      ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error), { once: true });
    }),
});

const boss = defineAgent({
  name: 'boss',
  version: '1.0.0',
  run: async (_input: unknown, ctx) => {
    const child = await ctx.delegate('echo', { arguments: { from: 'boss' } });
    const outcome = await child.outcome;
    return outcome.status === 'completed' ? outcome.value : outcome.status;
  },
});

const AGENTS: Agent[] = [echo, counted, ticker, blob, waiting, boss] as Agent[];

async function serve(port = 0): Promise<Server> {
  const runtime = createRuntime({ agents: AGENTS, authenticators: [tokens()] });
  const server = await listen(runtime, { port });
  cleanUp.push(async () => {
    await server.close();
    await runtime.close();
  });
  return server;
}

async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(url, { token: 'secret', ...options });
  cleanUp.push(() => client.close());
  return client;
}

async function proxied(options: ConnectOptions = {}): Promise<{ client: Client; proxy: CuttableProxy }> {
  const server = await serve();
  const proxy = await cuttableProxy(server.port);
  cleanUp.push(() => proxy.close());
  return { client: await open(proxy.url, { reconnect: { initialDelayMs: 1 }, ...options }), proxy };
}

describe('a client of our runtime', () => {
  it('invokes, watches and gets the value', async () => {
    const client = await open((await serve()).url);
    expect(client.agents().map(({ name }) => name)).toContain('echo');
    const job = await client.invoke('echo@1.0.0', { hello: 'world' });
    const types = (await drain(job)).items.map(({ type }) => type);
    expect(types.at(0)).toBe('job.accepted');
    expect(types.at(-1)).toBe('job.completed');
    expect((await job.result()).value).toEqual({ hello: 'world' });
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it.each([
    ['nobody', 'AGENT_NOT_AVAILABLE'],
    ['echo@9', 'AGENT_VERSION_NOT_AVAILABLE'],
  ])('sees the job of %s accepted and failed with %s (decision 2)', async (agent, code) => {
    const client = await open((await serve()).url);
    const job = await client.invoke(agent);
    expect(await rejection(job.result())).toMatchObject({ code, retryable: false });
  });

  it('sees a malformed reference refused without an accept (decision 2)', async () => {
    const client = await open((await serve()).url);
    expect(await rejection(client.invoke('Bad@'))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('gets five million streamed bytes unchanged, assembled and piece by piece', async () => {
    const client = await open((await serve()).url);
    const { result } = await (await client.invoke('blob')).result();
    expect(result?.size).toBe(PAYLOAD.length);
    expect(digest(result?.bytes ?? new Uint8Array())).toBe(digest(PAYLOAD));

    const hash = createHash('sha256');
    for await (const piece of (await client.invoke('blob')).chunks()) hash.update(piece);
    expect(hash.digest('hex')).toBe(digest(PAYLOAD));
  });

  it('sees the whole tree of a delegating job', async () => {
    const client = await open((await serve()).url);
    const job = await client.invoke('boss');
    const { items } = await drain(job.tree());
    const jobs = new Set(items.map(({ job_id }) => job_id));
    expect(jobs.size).toBe(2);
    expect(items.filter(({ type }) => type === 'job.completed')).toHaveLength(2);
    expect((await job.result()).value).toEqual({ from: 'boss' });
  });

  it('cancels by signal, and is refused to cancel what has ended', async () => {
    const client = await open((await serve()).url);
    const stop = new AbortController();
    const job = await client.invoke('waiting', {}, { signal: stop.signal });
    stop.abort();
    expect(await rejection(job.result())).toMatchObject({ code: 'CANCELLED' });
    expect(await rejection(job.cancel())).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await rejection(client.cancel('job_none'))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is told who is not let in, and what cannot be reached', async () => {
    const server = await serve();
    expect(await rejection(connect(server.url, { token: 'wrong' }))).toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    await server.close();
    expect(await rejection(connect(server.url, { token: 'secret' }))).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('keeps nothing of a thousand finished jobs, and neither side sends what the other cannot place', async () => {
    const client = await open((await serve()).url);
    const notices: Notice[] = [];
    client.on('notice', (notice) => notices.push(notice));
    await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const job = await client.invoke('echo', i);
        expect((await job.result()).value).toBe(i);
      }),
    );
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
    await client.ping();
    expect(notices).toEqual([]);
  });
});

describe('when the wire is cut', () => {
  it('a stream goes on without a gap and without a repeat, cut after cut (law L3)', async () => {
    const { client, proxy } = await proxied();
    const job = await client.invoke('ticker', { count: 3_000 });
    const seen: number[] = [];
    for await (const event of job) {
      if (event.type !== 'job.progress') continue;
      seen.push(event.payload.current);
      if (seen.length % 700 === 0) proxy.cut();
    }
    expect(seen).toEqual(Array.from({ length: 3_000 }, (_, i) => i + 1));
    expect(proxy.connections).toBeGreaterThan(1);
  });

  it('a streamed result arrives whole', async () => {
    const { client, proxy } = await proxied();
    const job = await client.invoke('blob');
    const hash = createHash('sha256');
    let pieces = 0;
    for await (const piece of job.chunks()) {
      hash.update(piece);
      pieces += 1;
      if (pieces === 20) proxy.cut();
    }
    expect(hash.digest('hex')).toBe(digest(PAYLOAD));
  });

  it('each invoke runs exactly once, whenever its connection broke (decision 12)', async () => {
    const { client, proxy } = await proxied();
    runs = 0;
    const results: Promise<unknown>[] = [];
    for (let i = 0; i < 300; i++) {
      results.push(client.invoke('counted').then(async (job) => (await job.result()).value));
      if (i % 60 === 30) {
        await new Promise((resolve) => setImmediate(resolve));
        proxy.cut();
      }
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const values = await Promise.all(results);
    expect(new Set(values).size).toBe(300);
    expect(runs).toBe(300);
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('and the runtime is another one afterwards, jobs end with one error and later calls work', async () => {
    const first = createRuntime({ agents: AGENTS, authenticators: [tokens()] });
    const server = await listen(first, { port: 0 });
    const client = await open(server.url, { reconnect: { initialDelayMs: 1 } });
    const job = await client.invoke('waiting');
    const ended = rejection(job.result());
    await server.close();
    await serve(server.port);
    expect(await ended).toMatchObject({ code: 'RESUME_WINDOW_EXPIRED' });
    expect((await (await client.invoke('echo', 1)).result()).value).toBe(1);
    await first.close();
  });
});
