/**
 * What an agent is to the runtime, and what the runtime is to an agent.
 * An agent is a name, a version, and a function of its input; everything it may do goes through its `JobContext`.
 */
import type { ZodType } from 'zod';
import type { Clock } from '../clock.js';
import type { ArtifactSource } from '../protocol/artifact-parts.js';
import type { ArcpError } from '../protocol/errors.js';
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
import type { ResultSoFar } from './replayed-result.js';
import type { ConversationLimits } from './remote/link.js';
import type { WorkerProfile } from '../protocol/worker-profile.js';
import type { GuardedFiles, ModelChoice, ShellOptions, ShellResult } from './guarded-access.js';
import type {
  ResultOptions,
  ArtifactOptions,
  ArtifactReader,
  AgentArtifactPart,
  AgentArtifactPiece,
  ResultStream,
  StreamOptions,
  JobStream,
  InputStream,
  ResultChunk,
} from './results.js';
import type {
  DelegateOptions,
  HandoffRef,
  HandoffOptions,
  DelegateItem,
  DelegateAllOptions,
  ChildJob,
  ChildOutcome,
} from './delegated.js';

export type * from './guarded-access.js';
export type * from './results.js';
export type * from './delegated.js';

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
  /** How many attempts at its jobs there are at most. Default: `maxAttempts` of the runtime. */
  readonly maxAttempts?: number | undefined;
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
