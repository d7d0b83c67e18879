/** What the runtime and an agent in a worker thread say to each other. Everything is structured-cloneable. */
import type { WorkerProfile } from '../protocol/worker-profile.js';
import type { ErrorPayload } from '../protocol/errors.js';
import type { Id } from '../protocol/ids.js';
import type { StreamKind } from '../protocol/payloads/streams.js';
import type { ChildOutcome, LeaseView, ResumePoint } from './agent.js';
import type { ResultSoFar } from './replayed-result.js';

/** What an agent that is not where its job is knows of it. */
export interface MirroredJob {
  readonly jobId: string;
  readonly agent: string;
  readonly traceId: string;
  readonly parentJobId: string | undefined;
  readonly principal: string;
  readonly heartbeatMs: number;
  readonly lease: Omit<LeaseView, 'remaining'>;
  readonly attempt: number;
  readonly resumedFrom: ResumePoint | undefined;
  readonly resultSoFar: ResultSoFar | undefined;
  readonly profile: WorkerProfile;
}

export interface WorkerJob extends MirroredJob {
  readonly module: string;
  readonly name: string;
  readonly version: string;
  readonly input: unknown;
}

/** Methods of `JobContext` without an answer. */
export type NoteMethod = 'progress' | 'log' | 'metric' | 'emit' | 'heartbeat' | 'summarize' | 'resultChunk';

/** Methods with an answer. */
export type CallMethod =
  | 'charge'
  | 'checkpoint'
  | 'flushed'
  | 'remaining'
  | 'authorize'
  | 'fs'
  | 'tool'
  | 'model'
  | 'shell'
  | 'handoff'
  | ChildCall
  | ArtifactMethod
  | PersonMethod
  | StreamCall;

/**
 * Those of a child name it by the number that `delegate` gave, and those of somebody who reads its events him by a number
 * that the thread gives.
 */
export type ChildCall =
  'delegate' | 'childCancel' | 'childBytes' | 'childForget' | 'childRead' | 'childNext' | 'childLeave';

/** Methods that put and read artifacts. */
export type ArtifactMethod = 'artifactPart' | 'artifactPiece' | 'releaseArtifact';

/** Methods that wait for a person. */
export type PersonMethod = 'ask' | 'choose' | 'requestPermission' | 'requestBudget' | 'guidance';

/** Those of a stream name it by a number that the thread gives. */
export type StreamCall =
  'openStream' | 'streamWrite' | 'streamEnd' | 'streamDestroy' | 'nextInput' | 'readInput' | 'leaveInput';

/** A stream into the job, as the thread is told of it. */
export interface ServedInput {
  readonly number: number;
  readonly id: Id<'stream'>;
  readonly kind: StreamKind;
  readonly contentType: string | undefined;
}

export type FromWorker =
  | { readonly kind: 'note'; readonly method: NoteMethod; readonly args: readonly unknown[] }
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly method: CallMethod;
      readonly args: readonly unknown[];
    }
  /** It can be asked for snapshots from now on. */
  | { readonly kind: 'listens' }
  | { readonly kind: 'snapshot'; readonly id: number; readonly json: string | undefined }
  | { readonly kind: 'noSnapshot'; readonly id: number; readonly error: ErrorPayload }
  /** As JSON, so that what an object makes of itself there is what counts; nothing for nothing. */
  | { readonly kind: 'returned'; readonly json: string | undefined }
  | { readonly kind: 'threw'; readonly error: ErrorPayload };

export type ToWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: ErrorPayload }
  | ChildEnded
  | { readonly kind: 'streamStopped'; readonly stream: number; readonly error: ErrorPayload }
  /** A client asks for a checkpoint. */
  | { readonly kind: 'snapshot'; readonly id: number }
  | { readonly kind: 'abort'; readonly error: ErrorPayload };

export interface ChildEnded {
  readonly kind: 'outcome';
  readonly child: number;
  readonly outcome: PlainOutcome;
}

/** A `ChildOutcome` whose streamed result is named, not carried. */
export type PlainOutcome =
  | (Omit<Extract<ChildOutcome, { status: 'completed' }>, 'result'> & {
      readonly result: { readonly resultId: string; readonly size: number } | undefined;
    })
  | Exclude<ChildOutcome, { status: 'completed' }>;
