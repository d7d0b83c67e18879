/** One tool call as one job: its progress, its questions, and what it comes to. */
import type { CallToolResult, Progress } from '@modelcontextprotocol/sdk/types.js';
import type { Client, Job } from '../client/index.js';
import { ArcpError } from '../protocol/errors.js';
import type { Logger } from '../runtime/logger.js';
import { answerOf } from './job-answer.js';
import type { McpLimits } from './limits.js';

export interface JobCall {
  readonly agent: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Aborting cancels the job. */
  readonly signal: AbortSignal;
  /** Absent where the caller wants to hear of none. */
  readonly onProgress: ((progress: Progress) => Promise<void>) | undefined;
  readonly limits: McpLimits;
  readonly logger: Logger;
}

const NOBODY = 'this job was started by an MCP client, through which nobody can be asked';

/** Starts the job and waits for its end. Rejects with the job's error, or with what kept it from being followed. */
export async function callJob(client: Client, call: JobCall): Promise<CallToolResult> {
  const { agent, args, signal, onProgress, limits, logger } = call;
  const job = await client.invoke(agent, args, { signal });
  const told = onProgress === undefined ? undefined : tellProgress(job, onProgress);
  decline(job, logger).catch(() => undefined); // the job's own end says why it cannot be followed
  try {
    return await answerOf(job, client, limits);
  } finally {
    // No progress of a call comes after its answer.
    await told?.catch(() => undefined);
  }
}

/** MCP: `progress` must grow with each notification. What does not grow is not told. */
async function tellProgress(job: Job, tell: (progress: Progress) => Promise<void>): Promise<void> {
  let last = -1;
  for await (const event of job) {
    if (event.type !== 'job.progress') continue;
    const { current, total, percent, message } = event.payload;
    // A percentage alone is what of a hundred is done, and a message alone a step of who knows how many.
    const whole = total ?? (percent === undefined ? undefined : 100);
    const progress = whole === undefined && current <= last ? last + 1 : current;
    if (progress <= last) continue;
    last = progress;
    await tell({
      progress,
      ...(whole === undefined ? {} : { total: whole }),
      ...(message === undefined ? {} : { message }),
    });
  }
}

async function decline(job: Job, logger: Logger): Promise<void> {
  for await (const question of job.questions()) {
    logger.warn({ job_id: question.jobId, asks: question.request.type }, 'a question of a job is declined');
    // Somebody else may have been first.
    await question.decline(NOBODY).catch(() => undefined);
  }
}

/** An error of a job, or of the way to the runtime, as the caller is told of it. */
export function failed(error: unknown): CallToolResult {
  const { code, message } = errorOf(error);
  return { isError: true, content: [{ type: 'text', text: `${code}: ${message}` }] };
}

export function errorOf(error: unknown): ArcpError {
  const cause = error instanceof Error ? error.cause : undefined;
  return !(error instanceof ArcpError) && cause instanceof ArcpError ? cause : ArcpError.from(error);
}
