/** Agents as tools, over a pair of transports in memory: what a real process would take long to show. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import {
  ToolListChangedNotificationSchema,
  type CallToolResult,
  type Progress,
} from '@modelcontextprotocol/sdk/types.js';
import { afterEach, expect, it, vi } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { AgentsServer, type McpLimits } from '../../src/mcp/index.js';
import { ArcpError } from '../../src/protocol/index.js';
import { testRuntime } from '../../src/testing/index.js';
import type { Client as ArcpClient } from '../../src/client/index.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const wait = defineAgent({
  name: 'wait',
  version: '1.0.0',
  run: (_, { signal }) =>
    new Promise((__, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error);
      });
    }),
});
const words = defineAgent({
  name: 'words',
  version: '1.0.0',
  run: (_, ctx) => {
    ctx.progress({ message: 'one' });
    ctx.progress({ message: 'two' });
    ctx.progress({ percent: 50, message: 'half' });
    ctx.progress({ percent: 40, message: 'back' });
  },
});

async function scene(limits: Partial<McpLimits> = {}) {
  const test = testRuntime();
  for (const agent of [wait, words]) test.runtime.register(agent);
  const clients: ArcpClient[] = [];
  const state = { reachable: true };
  const server = new AgentsServer({
    limits,
    connect: async () => {
      if (!state.reachable) throw new ArcpError('UNAVAILABLE', 'nobody listens');
      const client = await test.connect({ principal: 'ada', reconnect: false });
      clients.push(client);
      return client;
    },
  });
  const [here, there] = InMemoryTransport.createLinkedPair();
  const served = server.serve(there);
  const mcp = new Client({ name: 'test', version: '1' });
  let changes = 0;
  mcp.setNotificationHandler(ToolListChangedNotificationSchema, () => void (changes += 1));
  await vi.waitFor(() => expect(clients).toHaveLength(1));
  await mcp.connect(here);
  ends.push(
    async () => test[Symbol.asyncDispose](),
    () => mcp.close().then(() => served),
  );
  const call = async (name: string): Promise<CallToolResult> =>
    (await mcp.callTool({ name })) as CallToolResult;
  const running = async (): Promise<number> => {
    const client = await test.connect({ principal: 'ada' });
    let found = 0;
    for await (const _ of client.jobs({ status: ['running'] })) found += 1;
    return found;
  };
  return { test, clients, state, mcp, call, running, changes: () => changes };
}

const failure = (text: unknown) => ({ isError: true, content: [{ type: 'text', text }] });

it('calls fail where the runtime is away, and a later one finds it again (T2, T3)', async () => {
  const { clients, state, call, running, mcp, changes } = await scene();
  const pending = call('wait');
  await vi.waitFor(async () => expect(await running()).toBe(1));
  state.reachable = false;
  await clients[0]?.close();
  expect((await pending).isError).toBe(true);
  expect(await call('words')).toMatchObject(failure('UNAVAILABLE: nobody listens'));
  await expect(mcp.listTools()).rejects.toThrow('UNAVAILABLE: nobody listens');
  state.reachable = true;
  expect((await call('words')).isError).toBeUndefined();
  await vi.waitFor(() => expect(changes()).toBe(1));
});

it('a conversation that ends ends its jobs (T1)', async () => {
  const { call, running, mcp } = await scene();
  const pending = call('wait').catch(() => undefined);
  await vi.waitFor(async () => expect(await running()).toBe(1));
  await mcp.close();
  await pending;
  await vi.waitFor(async () => expect(await running()).toBe(0));
});

it('tools are listed in pages, and calls beyond the limit fail', async () => {
  const { mcp, call, running } = await scene({ maxTools: 1, maxCallsInFlight: 1 });
  const first = await mcp.listTools();
  const second = await mcp.listTools({ cursor: first.nextCursor });
  expect([first, second].flatMap(({ tools }) => tools.map(({ name }) => name))).toEqual(['wait', 'words']);
  expect(second.nextCursor).toBeUndefined();
  void call('wait').catch(() => undefined);
  await vi.waitFor(async () => expect(await running()).toBe(1));
  expect(await call('words')).toMatchObject(failure('RESOURCE_EXHAUSTED: there are 1 calls already'));
});

it('tools come and go with the agents, and the MCP client is told (T4)', async () => {
  const { test, mcp, call, changes } = await scene();
  const tools = async (): Promise<string[]> => (await mcp.listTools()).tools.map(({ name }) => name);
  const later = { ...words, name: 'later' };
  test.runtime.register(later);
  await vi.waitFor(() => expect(changes()).toBe(1));
  expect(await tools()).toEqual(['wait', 'words', 'later']);
  expect((await call('later')).isError).toBeUndefined();
  test.runtime.unregister(later);
  await vi.waitFor(() => expect(changes()).toBe(2));
  expect(await tools()).toEqual(['wait', 'words']);
  await expect(call('later')).rejects.toThrow('there is no tool "later"');
});

it('progress grows, also where it is told in words or goes back', async () => {
  const { mcp } = await scene();
  const told: Progress[] = [];
  await mcp.callTool({ name: 'words' }, undefined, { onprogress: (progress) => told.push(progress) });
  expect(told).toEqual([
    { progress: 0, message: 'one' },
    { progress: 1, message: 'two' },
    { progress: 50, total: 100, message: 'half' },
  ]);
});
