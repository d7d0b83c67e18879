/**
 * What an agent is to the runtime, and what the runtime is to an agent.
 * An agent is a name, a version, and a function of its input; everything it may do goes through its `JobContext`.
 */
import type { Writable } from 'node:stream';
import type { ZodType } from 'zod';
import type { Clock } from '../clock.js';
import type { ArtifactSource } from '../protocol/artifact-parts.js';
import type { ArcpError } from '../protocol/errors.js';
import type { JobEvent } from '../protocol/job-event.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import type {
  AskOptions,
  BudgetRequest,
  Choice,
  ChooseOptions,
  Guidance,
  PermissionLease,
  PermissionRequest,
} from './questions.js';
import type { StreamKind } from '../protocol/payloads/streams.js';
import type { ValueStream } from '../protocol/value-stream.js';
import type { ResultSoFar } from './replayed-result.js';
import type { ConversationLimits } from './remote/link.js';
import type { WorkerProfile, WorkerRole } from '../protocol/worker-profile.js';

export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'critical';

/** An agent that the runtime hosts. Make one with `defineAgent`. */
export interface Agent<Input = unknown> {
  readonly name: string;
  readonly version: string;
  /** Whether a bare name resolves to this version. Of several versions at most one may say so. */
  readonly default: boolean;
  readonly description: string | undefined;
  /** Whether it composes others: `workflow.start` starts it, and its jobs say `workflow.complete` before they complete. */
  readonly isWorkflow?: boolean | undefined;
  /** Checks and shapes `arguments`; a mismatch is `job.failed` INVALID_ARGUMENT before `run` is called. */
  readonly input: ZodType<Input> | undefined;
  /** `auto`: the runtime heartbeats while `run` is pending. `manual`: the agent calls `ctx.heartbeat()` (decision 23). */
  readonly heartbeat: 'auto' | 'manual';
  /** What becomes of a job that was running when the runtime ended: it fails, is started again, or is resumed. */
  readonly recovery: RecoveryPolicy;
  /** Whether clients may open streams into its jobs; see `JobContext.input`. */
  readonly takesInput: boolean;
  /** What its jobs may do, beside what their leases say; less where their parents have less. Default: that of `general`. */
  readonly profile?: WorkerProfile | undefined;
  /** What becomes of acts that the leases of its jobs do not cover; a request may say otherwise, and else the runtime. */
  readonly uncoveredActs?: 'refuse' | 'ask' | undefined;
  /** Whether it runs outside of this process: without a lease its jobs may do nothing guarded (decision 26). */
  readonly remote?: boolean | undefined;
  /** Whether its files are not those of this machine, so that nothing is looked up here on its behalf. */
  readonly elsewhere?: boolean | undefined;
  /** Where its jobs get their places, if they are limited: until there is one they wait as `queued`. */
  readonly places?: AgentPlaces | undefined;
  /** The JSON Schema of its arguments, for listings. */
  readonly inputSchema?: unknown;
  /** The module to load in a worker thread, for agents that compute without yielding. */
  readonly worker: string | undefined;
  /** What does its jobs instead of `run`, for agents that are processes. */
  readonly process?: ProcessHost | undefined;
  run(input: Input, ctx: JobContext): unknown;
}

/** Room for the jobs of an agent. A place is that of one attempt at a job, see `placeOf`. */
export interface AgentPlaces {
  /** Takes a place; false where there is none now. */
  take(place: string): boolean;
  leave(place: string): void;
  /** `room` is called when there may be a place again, `closed` when there will be none for those who wait. */
  watch(watcher: { room(): void; closed(error: ArcpError): void }): void;
}

/** What names the place of an attempt at a job. */
export function placeOf(jobId: string, attempt: number): string {
  return `${jobId}/${attempt}`;
}

/** What does the jobs of an agent in processes of its own. */
export interface ProcessHost {
  /** Rejects with why the job fails. */
  run(input: unknown, ctx: JobContext, runtime: HostingRuntime): Promise<unknown>;
  /** Ends all processes, once the jobs have ended; resolves when they are gone. */
  close(): Promise<void>;
}

/** What such an agent needs of its runtime beside the context of a job. */
export interface HostingRuntime {
  /** The runtime's of the same names. */
  readonly limits: ProcessLimits;
  readonly clock: Clock;
  /** Is told that a job waits for room, and that it has it. */
  readonly waits: (isWaiting: boolean) => void;
}

export interface ProcessLimits extends ConversationLimits {
  readonly maxFrameBytes: number;
  readonly maxNesting: number;
  readonly softBufferBytes: number;
  readonly hardBufferBytes: number;
}

/**
 * `fail`: with ABORTED. `restart`: from its arguments, for work that can be done twice; a job of which a part of the
 * result was streamed fails. `resume`: from its latest checkpoint, or from its arguments where it made none.
 */
export type RecoveryPolicy = 'fail' | 'restart' | 'resume';

/** Where an attempt at a job goes on from. */
export interface ResumePoint {
  readonly checkpointId: string;
  /** What was given to `ctx.checkpoint`, or by a client to `checkpoint.create`: check it before use. */
  readonly data: unknown;
}

export interface Progress {
  /** 0 to 100. Derived from `current` and `total` when absent. */
  readonly percent?: number;
  readonly message?: string;
  readonly current?: number;
  readonly total?: number;
  readonly units?: string;
}

/** What a running job may do. Every method works alike in process and in a worker thread. */
export interface JobContext {
  readonly jobId: string;
  /** The resolved `name@version`. */
  readonly agent: string;
  readonly traceId: string;
  readonly parentJobId: string | undefined;
  readonly principal: string;
  /** Aborted on cancel, on the lease's end and when the runtime drains; its `reason` is an `ArcpError`. */
  readonly signal: AbortSignal;
  /** Whether what the agent says still counts: not once the job has ended, or another attempt at it has begun. */
  readonly isLive: boolean;
  /** How often the job has to show a sign of life, in milliseconds. */
  readonly heartbeatMs: number;
  readonly lease: LeaseView;
  /**
   * For agents that take input: the streams that clients open into the job, as they open them. Each gives its values by
   * iterating it, once, as fast as it is read; one that is left before its end takes no more. Waits for the next stream
   * until the job is stopped, and then throws the signal's reason.
   */
  readonly input: AsyncIterable<InputStream, undefined>;
  /** Which attempt at the job this is, from 1. What an earlier one still says is not heard any more. */
  readonly attempt: number;
  /** The checkpoint that this attempt goes on from; `undefined` where it begins anew. */
  readonly resumedFrom: ResumePoint | undefined;

  progress(progress: Progress): void;
  log(level: LogLevel, message: string, attributes?: Readonly<Record<string, Json>>): void;
  /** Records a measurement. Spending goes through `charge`: a name that begins with `cost.` is refused. */
  metric(
    name: string,
    value: number,
    options?: { readonly unit?: string; readonly dims?: Readonly<Record<string, string>> },
  ): void;
  /**
   * Tells whoever watches the job of something under a name of its own, such as `acme.index.rebuilt` (`event.emit`). The
   * names of the runtime's own events are refused with INVALID_ARGUMENT.
   */
  emit(name: string, data?: Json): void;
  /**
   * Spends `amount` (an exact decimal such as `'0.25'`) of `currency` under a name such as `cost.search`.
   * Rejects with BUDGET_EXHAUSTED, and spends nothing, when the remainder does not cover it (decision 15).
   */
  charge(name: string, amount: string, currency: string): Promise<void>;
  /** For `heartbeat: 'manual'`: says that the job lives, and when the next sign is due. */
  heartbeat(options?: { readonly deadlineMs?: number }): void;
  /** Sets the `summary` of `job.completed`. */
  summarize(summary: string): void;
  /**
   * Keeps `data` (JSON, at most `maxCheckpointBytes`) as the place to resume from, and resolves with the checkpoint's id
   * once it is committed. For agents with `recovery: 'resume'`; others leave a mark that clients can see.
   */
  checkpoint(data: Json): Promise<string>;
  /** Calls `snapshot` when a client asks for a checkpoint now: what it returns is kept as one. The latest one counts. */
  onCheckpointRequest(snapshot: () => Json | Promise<Json>): void;
  /**
   * Opens the streamed result, in chunks or as an artifact. Its end is the end of the result; `run` must then return
   * nothing. Once per attempt.
   * A resumed attempt streams again what it had streamed in chunks after its checkpoint: that is compared and not sent twice.
   */
  openResult(options?: ResultOptions): ResultStream;
  /**
   * Sends one chunk as it is: for adapters that have chunks already. `openResult` is the usual way. In a resumed attempt
   * `chunk_seq` goes on at `resultSoFar.nextChunk`.
   */
  resultChunk(chunk: ResultChunk): void;
  /** What earlier attempts streamed of the result. */
  readonly resultSoFar: ResultSoFar | undefined;
  /**
   * Keeps what `source` gives, however large, as an artifact of the job's principal, and tells the job's watchers of it.
   * Rejects with RESOURCE_EXHAUSTED at a limit, and with what the source throws; nothing of it is kept then.
   */
  artifact(source: ArtifactSource, options?: ArtifactOptions): Promise<ArtifactRef>;
  /** An artifact of the job's principal, to be read once. Rejects with NOT_FOUND or PERMISSION_DENIED. */
  fetchArtifact(artifact: string | ArtifactRef): Promise<ArtifactReader>;
  /** Forgets an artifact of the job's principal. Rejects like `fetchArtifact`. */
  releaseArtifact(artifact: string | ArtifactRef): Promise<void>;
  /** Puts one part as it is: for adapters that have parts already. `artifact` is the usual way. */
  artifactPart(part: AgentArtifactPart): Promise<ArtifactRef>;
  /** Reads a piece from byte `offset` on: for adapters. `fetchArtifact` is the usual way. */
  artifactPiece(id: string, offset: number): Promise<AgentArtifactPiece>;
  /**
   * Opens a stream to whoever watches the job, beside its result: as many as are of use. Write text or bytes, or for
   * the other kinds one value a chunk, and end it; one that is still open when the job ends, ends with an error.
   * Throws INVALID_ARGUMENT, ALREADY_EXISTS or RESOURCE_EXHAUSTED.
   */
  openStream(options: StreamOptions): JobStream;
  /** What the job may do beside what its lease says. */
  readonly profile: WorkerProfile;
  /**
   * Asks whether the lease and the profile allow an act: await it before every guarded act that does not go through the
   * members below. `capability` is one of the lease's (`fs.read`, `net.fetch`, …) or a vendor's name. Resolves with the
   * target in its canonical form, which is the one to act on; of a path, links are followed first.
   * Rejects with PERMISSION_DENIED, LEASE_EXPIRED, LEASE_REVOKED or BUDGET_EXHAUSTED, with both in its details.
   */
  authorize(capability: string, target: string): Promise<string>;
  /** Files and folders that the lease covers. */
  readonly fs: GuardedFiles;
  /** `fetch` of what the lease covers, every redirect included; http and https. */
  fetch(input: string | URL, init?: RequestInit): Promise<Response>;
  /** The tools of this runtime. */
  readonly tools: {
    /** What the tool returns, as JSON. Rejects with NOT_FOUND, with what refuses it, or with what the tool threw. */
    call(name: string, args?: unknown): Promise<unknown>;
  };
  readonly model: {
    /** Lets the job use a model: this one, or without a name the one of its profile's route. Its children inherit it. */
    use(model?: string): Promise<ModelChoice>;
  };
  /** Runs a program, as far as the profile's shell policy goes. Its exit code is a value; no shell reads the words. */
  shell(argv: readonly string[], options?: ShellOptions): Promise<ShellResult>;
  /** Starts a child job. Rejects when it is refused; how the child ends is a value, see `ChildJob.outcome`. */
  delegate(target: string, options?: DelegateOptions): Promise<ChildJob>;
  /**
   * Has the job go on in another runtime, which the operator has named (`createRuntime({ handoff })`) and which has to prove
   * who it is. What happens there happens to this job; resolves with the value that it has there, to be returned. Its lease
   * and what is left of its budget go along. Rejects as the job fails there; with FAILED_PRECONDITION where no such runtime is
   * configured or it is of another kind, UNAUTHENTICATED where it does not prove who it is, UNAVAILABLE where it is lost.
   */
  handoff(to: string | HandoffRef, agent: string, options?: HandoffOptions): Promise<unknown>;
  /**
   * Starts a child for each item, so many at a time, and resolves with how they ended, in the order of the items. A
   * delegation that is refused is a failed outcome like any other. The signal cancels those that run and skips the rest.
   */
  delegateAll(items: readonly DelegateItem[], options?: DelegateAllOptions): Promise<ChildOutcome[]>;
  /**
   * Asks a person, and resolves with the answer, which satisfies `schema`. The job is blocked meanwhile. Rejects with
   * DEADLINE_EXCEEDED when nobody answers in time, with CANCELLED when somebody chooses not to, and at once with
   * FAILED_PRECONDITION when nobody is there who could answer and there is no default (decision 17). The answer is an
   * event of the job: ask for no secrets.
   */
  ask(prompt: string, options?: AskOptions): Promise<unknown>;
  /** Lets a person choose one of several, and resolves with its id. Otherwise like `ask`. */
  choose(prompt: string, choices: readonly Choice[], options?: ChooseOptions): Promise<string>;
  /**
   * Asks the owner of the job for a permission that it lacks, and resolves with the lease that was granted. The job is
   * blocked meanwhile. Rejects with PERMISSION_DENIED and the reason where it is denied, else like `ask`.
   */
  requestPermission(request: PermissionRequest): Promise<PermissionLease>;
  /**
   * Asks the owner of the job for more money, and resolves when there is: `amount` of `currency` (an exact decimal), added
   * to the budget of the whole tree and handed down to this job. Rejects like `requestPermission`, and with
   * FAILED_PRECONDITION where nothing bounds the currency.
   */
  requestBudget(currency: string, amount: string, request?: BudgetRequest): Promise<void>;
  /**
   * What people said who interrupted the job, since this was last asked; for agents that can take advice. An interrupted
   * job is blocked: every act that is awaited (`charge`, `delegate`, `ask`, `flushed`, writing a result, this) waits until
   * whoever interrupted has spoken, has declined to, or the time for it has run out. What an agent computes between its
   * acts, and what it tells without awaiting, is not held up: it runs in a process that nobody can stop halfway.
   */
  guidance(): Promise<readonly Guidance[]>;
  /** Resolves once everything that this job has emitted so far is committed: await it in loops that emit a lot. */
  flushed(): Promise<void>;
}

/** Rejections have wire codes: NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, …, and the system's error as their cause. */
export interface GuardedFiles {
  /** `maxBytes`: default 64 MiB; a larger file rejects with RESOURCE_EXHAUSTED. */
  readFile(path: string, options?: { readonly maxBytes?: number }): Promise<Uint8Array>;
  /** The same for UTF-8. */
  readText(path: string, options?: { readonly maxBytes?: number }): Promise<string>;
  /** Replaces the file, or appends to it. `exclusive`: rejects where there is one. */
  writeFile(
    path: string,
    data: string | Uint8Array,
    options?: { readonly append?: boolean; readonly exclusive?: boolean },
  ): Promise<void>;
  /** By name. At most 100,000 entries. */
  readdir(path: string): Promise<FileEntry[]>;
  /** Of what a link leads to. */
  stat(path: string): Promise<FileInfo>;
  mkdir(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
  /** Removes a file, a link, an empty folder, or with `recursive` a tree. */
  rm(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
}

export interface FileEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
}

export interface FileInfo {
  readonly kind: FileEntry['kind'];
  /** Bytes. */
  readonly size: number;
  /** RFC 3339. */
  readonly modifiedAt: string;
}

export interface ModelChoice {
  readonly model: string;
  readonly provider: string | null;
}

export interface ShellOptions {
  /** Default: that of the process. */
  readonly cwd?: string;
  /** Default 60,000; then it is stopped, and the call rejects with DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number;
  /** Of each output; default 1 MiB; beyond, it is stopped, and the call rejects with RESOURCE_EXHAUSTED. */
  readonly maxOutputBytes?: number;
  /** Beside PATH, HOME, LANG, LC_ALL, TZ and TMPDIR, which it has from this process. Not where the shell is read-only. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ShellResult {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface LeaseView {
  /** What is left of each budgeted currency, as exact decimals. Empty when nothing is budgeted. */
  remaining(): Promise<Readonly<Record<string, string>>>;
  /** When the lease ends, RFC 3339, if it does. */
  readonly expiresAt: string | undefined;
  /** Patterns by capability, in its dotted spelling, as the job began; leases that were granted since are not among them. */
  readonly capabilities: Readonly<Record<string, readonly string[]>>;
  /** Whether nothing may be done under a capability that is not named; else everything may, within the profile. */
  readonly closed: boolean;
}

/** Results in chunks go to whoever watches; as an artifact only the reference does, for those who want it. */
export type ResultOptions = ChunkedResultOptions | ArtifactResultOptions;

export interface ArtifactResultOptions extends ArtifactOptions {
  /** `job.completed` has a `result_ref`. */
  readonly as: 'artifact';
}

export interface ArtifactOptions {
  /** Default `application/octet-stream`; of text given as a whole `text/plain; charset=utf-8`. */
  readonly mediaType?: string;
  /** How long it is to be kept, up to the runtime's longest; its default otherwise. */
  readonly retainSeconds?: number;
}

export interface ArtifactReader extends AsyncIterable<Uint8Array> {
  readonly ref: ArtifactRef;
  /** All of it. Rejects with DATA_LOSS where it does not fit its hash, as iterating does at its end. */
  bytes(): Promise<Uint8Array>;
  /** All of it as UTF-8. */
  text(): Promise<string>;
}

/** A part of an artifact, see `protocol/payloads/artifacts.ts`. */
export interface AgentArtifactPart extends ArtifactOptions {
  /** Which parts belong together. */
  readonly uploadId: string;
  readonly bytes: Uint8Array;
  /** Where `bytes` begins. */
  readonly offset: number;
  readonly isLast: boolean;
  /** Whether it is the job's result. */
  readonly isResult?: boolean;
}

/** A piece of an artifact. */
export interface AgentArtifactPiece {
  readonly ref: ArtifactRef;
  readonly bytes: Uint8Array;
  /** Whether further bytes follow it. */
  readonly more: boolean;
}

export interface ChunkedResultOptions {
  readonly as?: 'chunks';
  /** `utf8` takes strings, `base64` takes bytes. Default `utf8`. */
  readonly encoding?: 'utf8' | 'base64';
  /** Bytes of decoded data per chunk at most. Default 64 KiB. */
  readonly chunkBytes?: number;
}

/** A Node writable, so that `pipeline(source, ctx.openResult())` works; `write` calls wait for the store. */
export interface ResultStream extends Writable {
  /** Its `result_id` in chunks; a name of its own as an artifact. */
  readonly resultId: string;
}

export interface StreamOptions {
  /**
   * `text` takes strings and UTF-8, `binary` bytes; `event` any JSON, `log` `{level, message, attributes?}`, `metric`
   * `{name, value, unit?, dims?}`, `thought` a string or `{content, role?, redacted?}`.
   */
  readonly kind: StreamKind;
  /** A media type. Default for `binary`: `application/octet-stream`. */
  readonly contentType?: string;
  /** For `text` and `binary`: decoded bytes per chunk at most, 4 to 1 MiB. Default 64 KiB. */
  readonly chunkBytes?: number;
  /** For `binary`: whether each chunk carries its SHA-256. */
  readonly sha256?: boolean;
  /** `str_…`. Default: a fresh one. */
  readonly streamId?: string;
}

/**
 * A Node writable, in object mode but for `text` and `binary`. A write is done when the store has it and its consumer
 * wants more; `destroy(error)` ends it with `stream.error`. It fails, with CANCELLED, when somebody cancels the stream;
 * the job goes on.
 */
export interface JobStream extends Writable {
  readonly streamId: string;
  readonly kind: StreamKind;
}

/** A stream into a job. Its values are what the store has: a job that is started again reads them again. */
export type InputStream = ValueStream;

export interface ResultChunk {
  readonly result_id: string;
  readonly chunk_seq: number;
  readonly data: string;
  readonly encoding: 'utf8' | 'base64';
  readonly more: boolean;
}

export interface DelegateOptions {
  /** One sentence on what the child is asked to do. */
  readonly task?: string;
  /** The child's arguments. Default `{task, context}`. */
  readonly arguments?: unknown;
  readonly context?: Readonly<Record<string, unknown>>;
  /**
   * Names this piece of work among those that the job delegates. A key that was used before, in this attempt or an
   * earlier one, gives the child that was started then, unless that failed or was cancelled; the same key for something
   * else is DUPLICATE_KEY. Only such a child goes on when its parent is started again.
   */
  readonly key?: string;
  /** Whether a child that failed or was cancelled under the key is begun anew, and not given as it ended. Default true. */
  readonly again?: boolean;
  /** What the child may do, within what its parent may: `{'fs.read': ['/data/**']}`. What it does not name it inherits. */
  readonly leaseRequest?: Readonly<Record<string, unknown>>;
  /** The child's worker profile, or a role; it is narrowed to its parent's. Default: what its agent declares. */
  readonly profile?: WorkerRole | Partial<WorkerProfile>;
  /** Reserved out of the parent's remainder, e.g. `['USD:1.00']`; what is not spent comes back. Default: the parent's own counters. */
  readonly budget?: readonly string[];
  /** When its lease ends, RFC 3339, within its parent's; the same as `expires_at` in `leaseRequest`. */
  readonly expiresAt?: string;
  /** How long each attempt at it may run; never longer than its parent may still. */
  readonly maxRuntimeMs?: number;
  /**
   * What becomes of it when its parent completes, fails or is cancelled: it is cancelled before that (the default), or
   * lives on, within what its parent might have done.
   */
  readonly onParentEnd?: 'cancel' | 'detach';
  /** Cancels the child. */
  readonly signal?: AbortSignal;
}

/** A runtime by what it is: its fingerprint has to be one that the operator has named. */
export interface HandoffRef {
  readonly fingerprint?: unknown;
  readonly kind?: unknown;
  readonly url?: unknown;
  readonly [more: string]: unknown;
}

export interface HandoffOptions {
  /** Default `{}`. */
  readonly arguments?: unknown;
  /** The job's context, an artifact here: it is copied there, and its id there is the argument `shared_memory_ref`. */
  readonly artifact?: string | ArtifactRef;
  /** What it may do there, within what it may do here. Default: the same. */
  readonly leaseRequest?: Readonly<Record<string, unknown>>;
  /** What it may spend there, e.g. `['USD:1.00']`. Default: what is left here. */
  readonly budget?: readonly string[];
  /** Said to whoever watches. */
  readonly reason?: string;
  /** Names this handoff among those of the job; an attempt that is started again finds it under its key. Default `handoff`. */
  readonly key?: string;
}

export interface DelegateItem extends DelegateOptions {
  readonly target: string;
}

export interface DelegateAllOptions {
  /** How many children run at once. Default 8. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
}

export interface ChildJob {
  readonly jobId: string;
  /** How the child ended; never rejects. */
  readonly outcome: Promise<ChildOutcome>;
  /**
   * Its events, from the first to the terminal one, each time they are iterated. Read from the store as they are asked
   * for: none is left out, and what nobody reads costs nothing. Throws the signal's reason when the job is stopped while
   * it waits for more, and DATA_LOSS where the child has ended and is no longer kept.
   */
  readonly events: AsyncIterable<JobEvent, undefined>;
  /**
   * What it gave: its value; of what it streamed the bytes; of an artifact the reference. Rejects with the error of a
   * child that failed, and with CANCELLED.
   */
  result(): Promise<unknown>;
  /** Asks the child to stop; `outcome` tells how it ended. */
  cancel(reason?: string): void;
}

export type ChildOutcome =
  | {
      readonly status: 'completed';
      readonly value: unknown;
      readonly summary?: string | undefined;
      readonly result?: StreamedResult | undefined;
      /** Where the result is, when it is an artifact: see `ctx.fetchArtifact`. */
      readonly resultRef?: ArtifactRef | undefined;
    }
  | {
      readonly status: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
    }
  | { readonly status: 'cancelled'; readonly reason?: string | undefined };

/** A result that came in chunks. */
export interface StreamedResult {
  readonly resultId: string;
  /** Decoded bytes. */
  readonly size: number;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
}
