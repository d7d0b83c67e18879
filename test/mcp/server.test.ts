/** MCP servers as agents: real processes over real stdio, a runtime over a real client. */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { McpServer, type McpServerOptions } from '../../src/mcp/index.js';
import type { LogFields, Logger } from '../../src/runtime/logger.js';
import { testRuntime, type TestRuntime } from '../../src/testing/index.js';

const FIXTURE = fileURLToPath(new URL('fixtures/server.mjs', import.meta.url));
const EVERYTHING = fileURLToPath(
  new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url),
);

const open: AsyncDisposable[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

interface Scene {
  readonly test: TestRuntime;
  readonly server: McpServer;
  /** What was logged, as text. */
  readonly logged: string[];
}

async function scene(args: readonly string[], options: Partial<McpServerOptions> = {}): Promise<Scene> {
  const logged: string[] = [];
  const log = (fields: LogFields, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const test = testRuntime();
  const server = new McpServer({
    name: 'tools',
    command: process.execPath,
    args,
    host: test.runtime,
    logger,
    limits: { minRestartMs: 10 },
    ...options,
  });
  open.push(test, { [Symbol.asyncDispose]: () => server.close() });
  await server.start();
  return { test, server, logged };
}

const failure = async (result: Promise<unknown>): Promise<{ code: string; message: string }> =>
  result.then(
    () => expect.fail('it completed'),
    (error: unknown) => error as { code: string; message: string },
  );

describe('a real MCP server of the registry', () => {
  it('has its tools hosted under its version, with progress, images and checked arguments', async () => {
    const { test, server } = await scene([EVERYTHING, 'stdio']);
    const client = await test.connect({ principal: 'ada' });
    expect(server.agents.map(({ name }) => name)).toContain('tools.echo');
    expect(client.agents().find(({ name }) => name === 'tools.get-sum')?.versions).toEqual(['2.0.0']);
    const echo = await (await client.invoke('tools.echo@2.0.0', { message: 'hi' })).result();
    expect(echo.value).toEqual({ content: [{ type: 'text', text: 'Echo: hi' }] });
    const wrong = await failure((await client.invoke('tools.get-sum', { a: 'x', b: 1 })).result());
    expect(wrong.code).toBe('INVALID_ARGUMENT');
    expect(wrong.message).toContain('arguments.a');
    const image = await (await client.invoke('tools.get-tiny-image')).result();
    expect(JSON.stringify(image.value)).toContain('"type":"image","media_type":"image/png","data":"iVBOR');
    const structured = await (
      await client.invoke('tools.get-structured-content', { location: 'Chicago' })
    ).result();
    expect(structured.value).toHaveProperty('structured.temperature');
    const job = await client.invoke('tools.trigger-long-running-operation', { duration: 0.1, steps: 2 });
    const told: unknown[] = [];
    for await (const event of job) if (event.type === 'job.progress') told.push(event.payload);
    expect(told[0]).toMatchObject({ current: 1, total: 2, percent: 50 });
  });
});

describe('a tool', () => {
  it('that fails fails its job with what it says, and is not to be tried again', async () => {
    const client = await (await scene([FIXTURE])).test.connect({ principal: 'ada' });
    expect(await failure((await client.invoke('tools.fail')).result())).toMatchObject({
      code: 'UNKNOWN',
      message: 'the disk is full',
      retryable: false,
    });
  });

  it('is told when its job is cancelled', async () => {
    const { test, logged } = await scene([FIXTURE]);
    const client = await test.connect({ principal: 'ada' });
    const job = await client.invoke('tools.wait');
    for await (const event of job) if (event.type === 'job.progress') break;
    await job.cancel();
    expect(await failure(job.result())).toMatchObject({ code: 'CANCELLED' });
    await vi.waitFor(() => expect(logged.join('\n')).toContain('the wait was cancelled'));
  });

  it('that says much has it kept as an artifact', async () => {
    const client = await (await scene([FIXTURE])).test.connect({ principal: 'ada' });
    const { value } = await (await client.invoke('tools.large')).result();
    const { content } = value as { content: [{ artifact: { artifact_id: string; size: number } }] };
    expect(await (await client.artifacts.fetch(content[0].artifact.artifact_id)).text()).toHaveLength(
      100_000,
    );
  });

  it('of which a lease names other tools is not called; the one that it names is', async () => {
    const client = await (await scene([FIXTURE])).test.connect({ principal: 'ada' });
    const refused = await client.invoke('tools.fail', {}, { leaseRequest: { 'tool.call': ['tools.check'] } });
    expect(await failure(refused.result())).toMatchObject({ code: 'PERMISSION_DENIED' });
    const allowed = await client.invoke(
      'tools.check',
      { tree: { n: 1 } },
      { leaseRequest: { 'tool.call': ['tools.*'] } },
    );
    expect((await allowed.result()).value).toEqual({ content: [{ type: 'text', text: '{"tree":{"n":1}}' }] });
  });

  it('is called as often as a budget of tool_calls says, its own or that of the jobs above', async () => {
    const { test } = await scene([FIXTURE]);
    const twice = defineAgent({
      name: 'twice',
      version: '1.0.0',
      run: async (_, ctx) => {
        const call = { target: 'tools.check', arguments: { tree: {} } };
        const outcomes = await ctx.delegateAll([call, call], { concurrency: 1 });
        return [
          outcomes.map((one) => (one.status === 'failed' ? one.code : one.status)),
          await ctx.lease.remaining(),
        ];
      },
    });
    test.runtime.register(twice);
    const client = await test.connect({ principal: 'ada' });
    const job = await client.invoke('twice', {}, { budget: ['tool_calls:1', 'USD:1'] });
    const told: unknown[] = [];
    for await (const event of job.tree())
      if (event.type === 'metric' && event.payload.name === 'cost.tool_call') told.push(event.payload.amount);
    expect(told).toEqual(['1']);
    const left = { tool_calls: '0', USD: '1' };
    expect((await job.result()).value).toEqual([['completed', 'BUDGET_EXHAUSTED'], left]);
    const uncounted = await client.invoke('tools.check', { tree: {} }, { budget: ['USD:1'] });
    const names: string[] = [];
    for await (const event of uncounted) if (event.type === 'metric') names.push(event.payload.name);
    expect(names).toEqual([]);
  });
});

describe('a server', () => {
  it('that crashes fails its jobs with what it printed last, secrets apart, and is started again (M2)', async () => {
    vi.stubEnv('FIXTURE_SECRET', 'hunter2hunter2');
    const { test, logged } = await scene([FIXTURE], { env: ['FIXTURE_SECRET'] });
    const client = await test.connect({ principal: 'ada' });
    const bystander = await client.invoke('tools.wait');
    for await (const event of bystander) if (event.type === 'job.progress') break;
    const crashed = await failure((await client.invoke('tools.crash')).result());
    expect(crashed).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(crashed.message).toBe('MCP server tools ended; it printed last: about to crash with [hidden]');
    expect(await failure(bystander.result())).toMatchObject({ code: 'UNAVAILABLE' });
    expect(logged.join('\n')).not.toContain('hunter2');
    await vi.waitFor(
      async () =>
        expect((await (await client.invoke('tools.check', { tree: {} })).result()).value).toBeDefined(),
      { timeout: 20_000 },
    );
  });

  it('has of the environment what it was given by name, and what a program needs', async () => {
    vi.stubEnv('FIXTURE_GIVEN', 'yes');
    vi.stubEnv('FIXTURE_KEPT', 'no');
    const client = await (
      await scene([FIXTURE], { env: ['FIXTURE_GIVEN'] })
    ).test.connect({ principal: 'ada' });
    const { value } = await (await client.invoke('tools.get-x45-nv')).result();
    const { names } = (value as { structured: { names: string[] } }).structured;
    expect(names).toEqual(expect.arrayContaining(['FIXTURE_GIVEN', 'PATH']));
    expect(names).not.toContain('FIXTURE_KEPT');
  });

  it('whose tools change has its agents come and go (M1)', async () => {
    const { test, server } = await scene([FIXTURE]);
    const client = await test.connect({ principal: 'ada' });
    await (await client.invoke('tools.grow')).result();
    await vi.waitFor(() => expect(server.agents.map(({ name }) => name)).toContain('tools.grown'));
    expect((await (await client.invoke('tools.grown')).result()).value).toBeDefined();
    await server.close();
    expect(test.runtime.inventory()).toEqual([]);
  });

  it.each([
    ['is not there', { command: '/nowhere/at-all', args: [] }],
    ['ends at once', { args: ['-e', 'process.exit(1)'] }],
    ['says nothing', { args: ['-e', 'setInterval(() => 0, 1000)'], limits: { startTimeoutMs: 300 } }],
  ])('that %s is an error of whoever named it (M3)', async (_, options) => {
    await expect(scene([], options)).rejects.toThrow();
  });

  it('has a name that agents can begin with', () => {
    const { runtime } = testRuntime();
    expect(() => new McpServer({ name: 'A.b', command: 'x', host: runtime })).toThrow(
      /the name of an MCP server/,
    );
  });
});
