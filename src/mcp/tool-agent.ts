/**
 * A tool of an MCP server as an agent.
 *
 * What a call needs: to invoke the agent is to call the tool, and whoever may invoke agents may do that, as with any agent
 * that runs elsewhere; nothing of what the tool then does goes through the runtime, and no lease can guard it. But where
 * a job has a lease that names capabilities, its own or its parent's, the lease has to name the tool, by its agent's name,
 * under `tool.call`: what a parent may not call by `ctx.tools.call`, it may not call by delegating either (L4).
 * Such agents are `remote` (decision 26): what a lease does not name, it does not allow.
 */
import {
  ErrorCode as RpcCode,
  McpError,
  type CallToolResult,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';
import type { Agent, JobContext } from '../agents/agent.js';
import { defineAgent } from '../agents/define-agent.js';
import { ArcpError, type ErrorCode } from '../protocol/errors.js';
import { COUNTED_ACTS } from '../runtime/spending.js';
import type { McpLimits } from './limits.js';
import { agentNameOf, agentVersionOf } from './names.js';
import { cut, resultOf, textOf } from './tool-result.js';
import { toolInput } from './tool-schema.js';

export interface ToolCall {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: {
    progress: number;
    total?: number | undefined;
    message?: string | undefined;
  }) => void;
}

/** Calls a tool; rejects with an `ArcpError` where the server is gone, and with what the server answered otherwise. */
export type CallTool = (call: ToolCall) => Promise<CallToolResult>;

const MAX_MESSAGE = 2_000;

/** What answers of JSON-RPC mean here. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [RpcCode.InvalidParams, 'INVALID_ARGUMENT'],
  [RpcCode.MethodNotFound, 'UNIMPLEMENTED'],
  [RpcCode.RequestTimeout, 'TIMEOUT'],
]);

/** @throws ArcpError where the tool's name or its schema is of no use. */
export function toolAgent(
  server: { readonly name: string; readonly version: string },
  tool: Tool,
  call: CallTool,
  limits: McpLimits,
): Agent {
  const agent = defineAgent({
    name: agentNameOf(server.name, tool.name),
    version: agentVersionOf(server.version),
    description: cut(tool.description ?? tool.title ?? `tool ${tool.name} of ${server.name}`, MAX_MESSAGE),
    input: toolInput(tool.inputSchema, limits.maxSchemaNodes),
    run: (args, ctx) => run(tool.name, args as Readonly<Record<string, unknown>>, ctx, call, limits),
  });
  return { ...agent, remote: true };
}

async function run(
  tool: string,
  args: Readonly<Record<string, unknown>>,
  ctx: JobContext,
  call: CallTool,
  limits: McpLimits,
): Promise<unknown> {
  const [name = ''] = ctx.agent.split('@');
  if (Object.keys(ctx.lease.capabilities).length > 0) await ctx.authorize('tool.call', name);
  await countCall(ctx);
  let result: CallToolResult;
  try {
    const onProgress: ToolCall['onProgress'] = ({ progress, total, message }) => {
      tellProgress(ctx, progress, total, message);
    };
    result = await call({ tool, args, signal: ctx.signal, onProgress });
  } catch (error) {
    if (ctx.signal.aborted) throw ctx.signal.reason;
    throw failureOf(error);
  }
  if (result.isError === true) {
    throw new ArcpError('UNKNOWN', cut(textOf(result) || 'the tool failed and said nothing', MAX_MESSAGE), {
      retryable: false,
    });
  }
  return resultOf(result, ctx, limits);
}

/** A call is one of those that the budget counts, where it counts them, as one of `ctx.tools.call` is. */
async function countCall(ctx: JobContext): Promise<void> {
  const left = await ctx.lease.remaining();
  if (Object.hasOwn(left, 'tool_calls')) await ctx.charge(COUNTED_ACTS.tool_calls, '1', 'tool_calls');
}

function tellProgress(
  ctx: JobContext,
  current: number,
  total: number | undefined,
  message: string | undefined,
): void {
  if (!Number.isFinite(current) || current < 0) return;
  const known = total !== undefined && Number.isFinite(total) && total > 0 && current <= total;
  ctx.progress({
    current,
    ...(known ? { total } : {}),
    ...(message === undefined ? {} : { message: cut(message, MAX_MESSAGE) }),
  });
}

function failureOf(error: unknown): ArcpError {
  if (!(error instanceof McpError)) return ArcpError.from(error);
  const message = cut(error.message, MAX_MESSAGE);
  const code = CODES.get(error.code);
  return code === undefined
    ? new ArcpError('UNKNOWN', message, { retryable: false })
    : new ArcpError(code, message);
}
