/**
 * `ctx.tools.call`: the tools of this runtime, and how a call is told.
 * A call and its outcome are two events of the job, `tool_call` and `tool_result` (draft-1.1 §8.2, sent as `event.emit`);
 * a refused call has both as well.
 */
import type { JobContext } from '../agents/agent.js';
import type { Tool } from '../agents/define-tool.js';
import { ArcpError } from '../protocol/errors.js';
import { checkText, jsonText } from './agent-output.js';
import { checkedArguments } from '../agents/checked-arguments.js';
import type { EngineContext } from './engine-context.js';
import type { JobRun } from './job-run.js';
import { spendAct } from './spending.js';
import { authorized } from './uncovered-acts.js';

/** Results up to this size are told; larger ones are the caller's alone. In UTF-16 units. */
const MAX_TOLD_RESULT = 16_384;
/** Levels of `event.emit` around the arguments and the result. */
const LEVELS = 3;

export class ToolTable {
  readonly #tools = new Map<string, Tool>();

  /** Throws ALREADY_EXISTS for a name that is taken. */
  register(tool: Tool): void {
    if (this.#tools.has(tool.name))
      throw new ArcpError('ALREADY_EXISTS', `tool ${tool.name} is registered twice`);
    this.#tools.set(tool.name, tool);
  }

  /** Throws NOT_FOUND. */
  resolve(name: string): Tool {
    const tool = this.#tools.get(name);
    if (tool === undefined) throw new ArcpError('NOT_FOUND', 'there is no such tool here');
    return tool;
  }
}

/** Calls a tool for a job. Rejects with what refuses it, or with what the tool threw. */
export async function callTool(
  run: JobRun,
  context: EngineContext,
  ctx: JobContext,
  name: string,
  args: unknown,
): Promise<unknown> {
  checkText('tool name', name);
  const { limits, newId, tools } = context;
  const callId = newId('delegation');
  const text = args === undefined ? '{}' : jsonText(args, limits.maxNesting - LEVELS);
  const tell = (event: 'tool_call' | 'tool_result', data: string): void => {
    if (run.isLive) run.say('event.emit', `{"name":"${event}","data":${data}}`);
  };
  tell('tool_call', `{"tool":${JSON.stringify(name)},"call_id":"${callId}","args":${text}}`);
  try {
    await authorized(run, context, 'tool.call', name);
    const tool = tools.resolve(name);
    const input = checkedArguments(tool.input, JSON.parse(text));
    spendAct(run.job, limits, 'tool_calls');
    const result = await tool.run(input, ctx);
    const told = result === undefined ? 'null' : jsonText(result, limits.maxNesting - LEVELS);
    const shown = told.length <= MAX_TOLD_RESULT ? `,"result":${told}` : '';
    tell('tool_result', `{"call_id":"${callId}"${shown}}`);
    return result === undefined ? undefined : JSON.parse(told);
  } catch (error) {
    const { code, message, retryable } = ArcpError.from(error);
    tell('tool_result', JSON.stringify({ call_id: callId, error: { code, message, retryable } }));
    throw error;
  }
}
