import type { ZodType } from 'zod';
import { ArcpError } from '../protocol/errors.js';
import type { JobContext } from './agent.js';

/** A tool that agents call by `ctx.tools.call`. Make one with `defineTool`. */
export interface Tool<Input = unknown> {
  readonly name: string;
  readonly description: string | undefined;
  /** Checks and shapes the arguments of a call. */
  readonly input: ZodType<Input> | undefined;
  /** @param ctx what the calling job may do: a tool has no authority of its own */
  run(input: Input, ctx: JobContext): unknown;
}

/** What `defineTool` takes. */
export interface ToolDefinition<Input> {
  /** Up to 256 characters; the lease names it under `tool.call`. Segments end at `.` and `/`. */
  readonly name: string;
  readonly description?: string;
  readonly input?: ZodType<Input>;
  run(input: Input, ctx: JobContext): unknown;
}

const MAX_NAME_LENGTH = 256;

/**
 * Defines a tool. Throws INVALID_ARGUMENT for a name that is empty, too long or has a wildcard.
 *
 * @example
 * ```ts
 * const add = defineTool({
 *   name: 'math.add',
 *   input: z.object({ a: z.number(), b: z.number() }),
 *   run: ({ a, b }) => a + b,
 * });
 * ```
 */
export function defineTool<Input = unknown>(definition: ToolDefinition<Input>): Tool<Input> {
  const { name } = definition;
  if (name === '' || name.length > MAX_NAME_LENGTH || name.includes('*') || !name.isWellFormed())
    throw new ArcpError('INVALID_ARGUMENT', `${JSON.stringify(name)} is not a tool name`);
  return {
    name,
    description: definition.description,
    input: definition.input,
    run: (input, ctx) => definition.run(input, ctx),
  };
}
