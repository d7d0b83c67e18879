/**
 * What `arcp invoke --input` streams into its job: a file, or stdin.
 *
 * (F1) It is opened before the job is started: nobody should pay for a job whose input is not there.
 * (F2) A job that leaves the stream before its end goes on, as a program does whose reader has seen enough.
 * (F3) A job that takes no stream, or whose input cannot be read on or is not the text that it was said to be, is to be
 *      stopped: it would wait for nothing, or take a part for the whole.
 */
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Job, JobInput } from '../client/index.js';
import { ArcpError, type ErrorCode } from '../protocol/index.js';
import { EXIT } from './exit-codes.js';
import { describe, Failure } from './failure.js';

export const FEED_KINDS = ['text', 'binary'] as const;
export type FeedKind = (typeof FEED_KINDS)[number];

export interface Feed {
  /** How messages call it. */
  readonly name: string;
  readonly kind: FeedKind;
  readonly bytes: Readable;
}

/** What became of it. */
export type Fed =
  | { readonly kind: 'whole' }
  /** The job reads no further, or has ended (F2). */
  | { readonly kind: 'left'; readonly error: ArcpError }
  /** (F3) */
  | { readonly kind: 'failed'; readonly failure: Failure };

/** How a stream ends that its reader leaves, or whose job ends. */
const LEFT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CANCELLED', 'ABORTED', 'FAILED_PRECONDITION']);

/** `-` is stdin (F1). */
export async function openFeed(name: string, kind: FeedKind): Promise<Feed> {
  if (name === '-') return { name: 'stdin', kind, bytes: process.stdin };
  try {
    const file = await open(name);
    if (!(await file.stat()).isDirectory()) return { name, kind, bytes: file.createReadStream() };
    await file.close();
    throw new Error('it is a folder');
  } catch (error) {
    const message = `${name} cannot be read: ${reasonOf(error)}`;
    throw new Failure(EXIT.usage, message, 'name another file after --input, or - for stdin', error);
  }
}

/** Streams all of it into the job. Never rejects. Once the job has ended, destroying `bytes` ends it where it waits for more to read. */
export async function feed(job: Job, { name, kind, bytes }: Feed): Promise<Fed> {
  // What goes wrong with the source before it is read is met when it is.
  bytes.on('error', () => undefined);
  let input: JobInput<FeedKind>;
  try {
    input = await job.openInput({ kind });
  } catch (thrown) {
    const error = ArcpError.from(thrown);
    const message = `${job.id} did not take its input: ${describe(error)}`;
    return failed(message, 'leave --input out, or name an agent that takes input', error);
  }
  try {
    for await (const piece of bytes) {
      const fault = await faultOf(input.write(piece as Uint8Array));
      if (fault !== undefined) return stopped(fault, input, name);
    }
  } catch (error) {
    if (job.ended) return { kind: 'left', error: ArcpError.from(error) };
    input.abort(new ArcpError('ABORTED', 'its sender could not read on', { cause: error }));
    return failed(`${name} cannot be read on: ${reasonOf(error)}`, undefined, error);
  }
  const fault = await faultOf(input.end());
  return fault === undefined ? { kind: 'whole' } : stopped(fault, input, name);
}

function faultOf(done: Promise<void>): Promise<ArcpError | undefined> {
  return done.then(
    () => undefined,
    (error: unknown) => ArcpError.from(error),
  );
}

function stopped(error: ArcpError, input: JobInput<FeedKind>, name: string): Fed {
  if (LEFT.has(error.code)) return { kind: 'left', error };
  input.abort(error);
  const next = error.code === 'INVALID_ARGUMENT' ? 'stream bytes with --input-kind binary' : undefined;
  return failed(`${name} cannot be streamed: ${describe(error)}`, next, error);
}

function failed(message: string, next: string | undefined, cause: unknown): Fed {
  return { kind: 'failed', failure: new Failure(EXIT.failed, message, next, cause) };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
