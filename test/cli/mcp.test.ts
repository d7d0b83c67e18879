/** `arcp mcp` as MCP clients meet it: the SDK's own client, the real command, a real runtime. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { CallToolResult, Progress } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connect, type Client as ArcpClient } from '../../src/client/index.js';
import { Arcp, ARCP, arcp, jsonLines, serve, type Serving } from './arcp.js';

const TOKEN = 'a-token-of-this-test';

let runtime: Serving;
let mcp: Client;
let stderr = '';
/** The same principal, to see what the runtime makes of the calls. */
let owner: ArcpClient;

beforeAll(async () => {
  runtime = await serve(['--conformance', '--token', `${TOKEN}=ada`]);
  owner = await connect(runtime.url, { token: TOKEN });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [ARCP, 'mcp', '--url', runtime.url],
    env: { ARCP_TOKEN: TOKEN },
    stderr: 'pipe',
  });
  transport.stderr?.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  mcp = new Client({ name: 'test', version: '1' });
  await mcp.connect(transport);
});

afterAll(async () => {
  await mcp.close();
  await owner.close();
  runtime.arcp.signal('SIGKILL');
  await runtime.arcp.ended();
});

async function call(name: string, args: Record<string, unknown> = {}): Promise<CallToolResult> {
  return (await mcp.callTool({ name, arguments: args })) as CallToolResult;
}

function textOf({ content }: CallToolResult): string {
  return content.map((block) => (block.type === 'text' ? block.text : block.type)).join('\n');
}

describe('arcp mcp', () => {
  it('lists the agents of the runtime as tools', async () => {
    const { tools } = await mcp.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual(
      owner
        .agents()
        .map(({ name }) => name)
        .sort(),
    );
    expect(tools.find(({ name }) => name === 'versioned')).toEqual({
      name: 'versioned',
      description: 'Runs agent versioned@1.0.0 as a job of an ARCP runtime.',
      inputSchema: { type: 'object' },
    });
  });

  it('answers with the value of the job, as text and, where it is an object, structured', async () => {
    const args = { hello: 'wörld', n: [1, null] };
    expect(await call('echo', args)).toEqual({
      content: [{ type: 'text', text: JSON.stringify(args) }],
      structuredContent: args,
    });
    expect(await call('versioned')).toEqual({ content: [{ type: 'text', text: '"1.0.0"' }] });
  });

  it('tells progress to who asked for it, all of it before the answer', async () => {
    const told: Progress[] = [];
    const onprogress = (progress: Progress): number => told.push(progress);
    await mcp.callTool({ name: 'ticker', arguments: { count: 4, intervalMs: 5 } }, undefined, { onprogress });
    expect(told).toMatchObject([1, 2, 3, 4].map((progress) => ({ progress, total: 4 })));
  });

  it('answers for a job that failed with its code and message', async () => {
    const answer = await call('fail');
    expect(answer.isError).toBe(true);
    expect(textOf(answer)).toMatch(/^INTERNAL: .*deliberate failure/);
    const wrong = await call('sleep', { ms: 'long' });
    expect(wrong.isError).toBe(true);
    expect(textOf(wrong)).toMatch(/^INVALID_ARGUMENT: .*ms/);
  });

  it('cancels the job of a call that is cancelled', async () => {
    const controller = new AbortController();
    const called = mcp.callTool({ name: 'slow', arguments: { ms: 600_000 } }, undefined, {
      signal: controller.signal,
    });
    const states = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { status } of owner.jobs({ agent: 'slow' })) found.push(status);
      return found;
    };
    await vi.waitFor(async () => expect(await states()).toEqual(['running']), { timeout: 10_000 });
    controller.abort('no longer needed');
    await expect(called).rejects.toThrow();
    await vi.waitFor(async () => expect(await states()).toEqual(['cancelled']), { timeout: 10_000 });
  });

  it('puts streamed results and artifacts together', async () => {
    expect(textOf(await call('report-builder'))).toHaveLength(48);
    const streamed = await call('binary-report', { bytes: 1_000, chunkBytes: 100 });
    const kept = await call('artifact-report', { bytes: 1_000 });
    const blobs = [streamed, kept].map(({ content: [block] }) =>
      block?.type === 'resource' && 'blob' in block.resource ? block.resource.blob : undefined,
    );
    expect(Buffer.from(blobs[0] ?? '', 'base64')).toHaveLength(1_000);
    expect(blobs[1]).toBe(blobs[0]); // both begin with the same seed
  });

  it.each(['binary-report', 'artifact-report'])(
    'says where the result of %s is when it is large',
    async (agent) => {
      const said = textOf(await call(agent, { bytes: 2_000_000 }));
      expect(said).toMatch(/ 2000000 bytes\)/);
      const [id = ''] = /art_[\w-]+/.exec(said) ?? [];
      expect(await (await owner.artifacts.fetch(id)).bytes()).toHaveLength(2_000_000);
    },
  );

  it('declines what a job asks, and says why', async () => {
    const answer = await call('asker');
    expect(answer.isError).toBe(true);
    expect(textOf(answer)).toMatch(/^CANCELLED: .*nobody can be asked/);
    expect(stderr).toContain('a question of a job is declined');
    expect(textOf(await call('needs-permission'))).toContain('nobody can be asked');
  });

  it('has no other tools', async () => {
    for (const name of ['nobody', 'No Such Tool', 'echo@1.0.0', '__proto__'])
      await expect(call(name)).rejects.toThrow(`there is no tool "${name}"`);
    await expect(mcp.listTools({ cursor: 'x' })).rejects.toThrow('no such cursor');
  });
});

describe('the process of arcp mcp', () => {
  const hello = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  };

  it('ends when stdin ends, with its jobs, and has said nothing else on stdout', async () => {
    const one = new Arcp(['mcp', '--url', runtime.url, '--log-level', 'trace'], { ARCP_TOKEN: TOKEN });
    const { stdin } = one.process;
    stdin?.write(
      `${JSON.stringify(hello)}\nno json\n{"jsonrpc":"2.0","method":"notifications/initialized"}\n`,
    );
    const params = { name: 'sleep', arguments: { ms: 600_000 } };
    stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params })}\n`);
    const states = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { status } of owner.jobs({ agent: 'sleep' })) found.push(status);
      return found;
    };
    await vi.waitFor(async () => expect(await states()).toContain('running'), { timeout: 10_000 });
    stdin?.end();
    const { code, stdout, stderr: said } = await one.ended();
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([{ id: 1, result: { serverInfo: { name: 'arcp-runtime' } } }]);
    expect(said).toContain('the MCP client said what makes no sense');
    await vi.waitFor(async () => expect(await states()).not.toContain('running'), { timeout: 10_000 });
  });

  it('does not start where it is not let in', async () => {
    const {
      code,
      stdout,
      stderr: said,
    } = await arcp(['mcp', '--url', runtime.url], { ARCP_TOKEN: 'another' });
    expect([code, stdout]).toEqual([3, '']);
    expect(said).toContain('UNAUTHENTICATED');
  });
});
