/** `arcp mcp` over a runtime that is killed and started again: real processes, one port, one data folder. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { CallToolResult, Progress } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Arcp, ARCP } from './arcp.js';

const PACKAGE = new URL('../../dist/index.js', import.meta.url).href;
const TOKEN = 'a-token-of-this-test';

/** Waits for a file of its name, so that the test decides when it ends. */
const AGENTS = `
import { existsSync } from 'node:fs';
import { defineAgent } from ${JSON.stringify(PACKAGE)};
const waits = (name, recovery) => defineAgent({ name, version: '1.0.0', recovery, run: async ({ file }, ctx) => {
  if (ctx.attempt === 1 && recovery === 'resume') await ctx.checkpoint({ page: 7 });
  ctx.progress({ current: ctx.attempt, total: 9 });
  while (!existsSync(file)) {
    ctx.signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { attempt: ctx.attempt, from: ctx.resumedFrom?.data ?? null };
} });
export default [waits('once', 'fail'), waits('again', 'restart'), waits('on', 'resume')];
`;

let folder: string;
let runtime: Arcp;
let port: string;
let mcp: Client;
let stderr: string;

async function serve(port: string): Promise<string> {
  const agents = join(folder, 'agents.mjs');
  const where = ['--port', port, '--data', join(folder, 'data'), '--agents', agents];
  runtime = new Arcp(['serve', '--json', ...where, '--token', `${TOKEN}=ada`]);
  const [, url = ''] = await runtime.until('stdout', /"event":"listening","url":"([^"]+)"/);
  return url;
}

async function kill(): Promise<void> {
  runtime.signal('SIGKILL');
  expect((await runtime.ended()).code).toBe('SIGKILL');
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-mcp-'));
  writeFileSync(join(folder, 'agents.mjs'), AGENTS);
  const url = await serve('0');
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [ARCP, 'mcp', '--url', url],
    env: { ARCP_TOKEN: TOKEN },
    stderr: 'pipe',
  });
  stderr = '';
  transport.stderr?.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  mcp = new Client({ name: 'test', version: '1' });
  await mcp.connect(transport);
  port = new URL(url).port;
});

afterEach(async () => {
  await mcp.close();
  runtime.signal('SIGKILL');
  await runtime.ended();
  rmSync(folder, { recursive: true, force: true });
});

interface Call {
  readonly answer: Promise<CallToolResult>;
  readonly progress: Progress[];
  finish(): void;
}

/** Calls a tool that works until `finish`. */
function call(tool: string): Call {
  const file = join(folder, `${tool}.go`);
  const progress: Progress[] = [];
  const options = { onprogress: (told: Progress) => void progress.push(told) };
  const answer = mcp.callTool({ name: tool, arguments: { file } }, undefined, options);
  return {
    answer: answer as Promise<CallToolResult>,
    progress,
    finish: () => {
      writeFileSync(file, '');
    },
  };
}

it('calls in flight are answered after a runtime was killed, each by the recovery of its agent', async () => {
  const [once, again, on] = [call('once'), call('again'), call('on')];
  const at = (attempt: number) => [{ progress: attempt, total: 9 }];
  await vi.waitFor(
    () => {
      for (const { progress } of [once, again, on]) expect(progress).toEqual(at(1));
    },
    { timeout: 15_000 },
  );
  await kill();
  await vi.waitFor(() => expect(stderr).toContain('the connection to the runtime was lost'), 10_000);
  await serve(port);
  const lost = await once.answer;
  expect(lost.isError).toBe(true);
  expect(lost.content).toMatchObject([{ text: expect.stringMatching(/^ABORTED: /) as string }]);
  await vi.waitFor(
    () => {
      for (const { progress } of [again, on]) expect(progress).toEqual([...at(1), ...at(2)]);
    },
    { timeout: 15_000 },
  );
  again.finish();
  on.finish();
  expect((await again.answer).structuredContent).toEqual({ attempt: 2, from: null });
  expect((await on.answer).structuredContent).toEqual({ attempt: 2, from: { page: 7 } });
}, 60_000);

it('a call that is made while the runtime is away is answered when it is back, once', async () => {
  await kill();
  await vi.waitFor(() => expect(stderr).toContain('the connection to the runtime was lost'), 10_000);
  const late = call('again');
  late.finish();
  await serve(port);
  expect((await late.answer).structuredContent).toEqual({ attempt: 1, from: null });
  expect((await mcp.listTools()).tools.map(({ name }) => name).sort()).toEqual(['again', 'on', 'once']);
}, 60_000);
