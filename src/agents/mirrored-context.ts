/**
 * The context of an agent that is not where its job is, in a worker thread or in another process: what its agent asks and
 * tells goes out by a port, and what only has to be counted or cut is done here. One context for every way out.
 */
import { nanoid } from 'nanoid';
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES } from '../protocol/ids.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import { DEFAULT_RESULT_CHUNK_LIMITS } from '../protocol/result-chunks.js';
import type {
  AgentArtifactPiece,
  FileEntry,
  FileInfo,
  GuardedFiles,
  InputStream,
  JobContext,
  JobStream,
  ModelChoice,
  ResultChunk,
  ResultStream,
  ResultOptions,
  ShellResult,
  StreamOptions,
} from './agent.js';
import { ArtifactResult, putArtifact, readArtifact } from './artifact-io.js';
import { delegateAll } from './delegate-all.js';
import { guardedFetch } from './guarded/fetch.js';
import { handled } from './handled.js';
import { ResultLedger } from './result-ledger.js';
import { ChunkedResult } from './result-stream.js';
import { ThreadChildren } from './thread-children.js';
import type { CallMethod, ChildEnded, MirroredJob, NoteMethod } from './worker-messages.js';

/** The way to where the job is. */
export interface ContextPort {
  /** Whether what the agent says is still heard. */
  readonly isLive: boolean;
  readonly streams: ContextStreams;
  /** Says what needs no answer. */
  note(method: NoteMethod, ...args: readonly unknown[]): void;
  /** Asks for the rest; `delegate` gives `{number, jobId}`, and how that child ends is told to `childEnded`. */
  call(method: CallMethod, ...args: readonly unknown[]): Promise<unknown>;
  /** The agent can be asked for snapshots from now on. */
  listens(): void;
}

/** The streams of one job. */
export interface ContextStreams {
  readonly input: AsyncIterable<InputStream, undefined>;
  open(options: StreamOptions): JobStream;
  /** Resolves once the streams that were ended have told all that was written. */
  settled(): Promise<void>;
}

export class MirroredContext {
  readonly ctx: JobContext;
  readonly #port: ContextPort;
  readonly #result: ResultLedger;
  readonly #children: ThreadChildren;
  #takeSnapshot: (() => unknown) | undefined;

  constructor(job: MirroredJob, port: ContextPort, signal: AbortSignal) {
    this.#port = port;
    this.#children = new ThreadChildren((method, ...args) => port.call(method, ...args));
    this.#result = new ResultLedger(DEFAULT_RESULT_CHUNK_LIMITS, job.resultSoFar);
    this.ctx = this.#contextOf(job, signal);
  }

  /** A child of the agent's has ended. */
  childEnded(end: ChildEnded): void {
    this.#children.ended(end);
  }

  /** What the agent says when it is asked for a checkpoint. Rejects with FAILED_PRECONDITION where it cannot be asked. */
  async snapshot(): Promise<unknown> {
    if (this.#takeSnapshot === undefined)
      throw new ArcpError('FAILED_PRECONDITION', 'the agent cannot be asked for a checkpoint');
    return await this.#takeSnapshot();
  }

  /** The agent has returned: resolves, once its streams have told all, with what `job.completed` says of its result. */
  async settled(): Promise<ReturnType<ResultLedger['completion']>> {
    await this.#port.streams.settled();
    await new Promise<void>((resolve, reject) => {
      this.#result.whenSettled((error) => {
        if (error === undefined) resolve();
        else reject(ArcpError.from(error));
      });
    });
    return this.#result.completion();
  }

  #contextOf(job: MirroredJob, signal: AbortSignal): JobContext {
    const port = this.#port;
    const ask = <T>(method: CallMethod, ...args: readonly unknown[]): Promise<T> =>
      handled(port.call(method, ...args) as Promise<T>);
    const ctx: JobContext = {
      jobId: job.jobId,
      agent: job.agent,
      traceId: job.traceId,
      parentJobId: job.parentJobId,
      principal: job.principal,
      signal,
      get isLive() {
        return port.isLive;
      },
      heartbeatMs: job.heartbeatMs,
      lease: { ...job.lease, remaining: () => ask('remaining') },
      attempt: job.attempt,
      resumedFrom: job.resumedFrom,
      resultSoFar: job.resultSoFar,
      checkpoint: (data) => handled(this.#checkpoint(data)),
      onCheckpointRequest: (snapshot) => {
        this.#takeSnapshot = snapshot;
        port.listens();
      },
      progress: (progress) => {
        port.note('progress', progress);
      },
      log: (level, message, attributes) => {
        port.note('log', level, message, attributes);
      },
      metric: (name, value, options) => {
        port.note('metric', name, value, options);
      },
      emit: (name, data) => {
        port.note('emit', name, data);
      },
      heartbeat: (options) => {
        port.note('heartbeat', options);
      },
      summarize: (summary) => {
        port.note('summarize', summary);
      },
      resultChunk: (chunk) => {
        this.#result.take(chunk, () => {
          port.note('resultChunk', chunk);
        });
      },
      openResult: (options = {}) => this.#openResult(options, job),
      input: port.streams.input,
      openStream: (options) => port.streams.open(options),
      charge: (...args) => ask('charge', ...args),
      flushed: async () => {
        await port.call('flushed');
      },
      artifact: (source, options = {}) => handled(putArtifact(source, options, newResultId(), ctx)),
      fetchArtifact: (artifact) => handled(readArtifact(artifact, ctx)),
      releaseArtifact: (artifact) => ask('releaseArtifact', artifact),
      artifactPart: (part) => ask<ArtifactRef>('artifactPart', part),
      artifactPiece: (id, offset) => ask<AgentArtifactPiece>('artifactPiece', id, offset),
      profile: job.profile,
      authorize: (...args) => ask('authorize', ...args),
      fs: filesBy(ask),
      fetch: (input, init) =>
        handled(guardedFetch((url) => ctx.authorize('net.fetch', url), signal, input, init)),
      tools: { call: (name, args) => ask('tool', name, args) },
      model: { use: (model) => ask<ModelChoice>('model', model) },
      shell: (...args) => ask<ShellResult>('shell', ...args),
      delegate: (...args) => handled(this.#children.delegate(...args)),
      handoff: (...args) => ask('handoff', ...args),
      delegateAll: (...args) =>
        handled(delegateAll((target, options) => ctx.delegate(target, options), ...args)),
      ask: (...args) => ask('ask', ...args),
      choose: (...args) => ask('choose', ...args),
      requestPermission: (request) => ask('requestPermission', request),
      requestBudget: (...args) => ask('requestBudget', ...args),
      guidance: () => ask('guidance'),
    };
    return ctx;
  }

  async #checkpoint(data: unknown): Promise<string> {
    return (await this.#port.call('checkpoint', JSON.parse(jsonOf(data ?? null)))) as string;
  }

  #openResult(options: ResultOptions, { resultSoFar }: MirroredJob): ResultStream {
    this.#result.refuseSecond();
    const { ctx } = this;
    const sink = {
      chunk: (chunk: ResultChunk): void => {
        ctx.resultChunk(chunk);
      },
      replayed: () => {
        this.#result.replayed();
      },
      flushed: () => ctx.flushed(),
    };
    const id = newResultId();
    const stream =
      options.as === 'artifact'
        ? new ArtifactResult(id, options, ctx)
        : new ChunkedResult(id, options, sink, resultSoFar);
    this.#result.opened(stream);
    return stream;
  }
}

function filesBy(ask: <T>(method: CallMethod, ...args: readonly unknown[]) => Promise<T>): GuardedFiles {
  return {
    readFile: (...args) => ask<Uint8Array>('fs', 'readFile', ...args),
    readText: (...args) => ask<string>('fs', 'readText', ...args),
    writeFile: (...args) => ask('fs', 'writeFile', ...args),
    readdir: (...args) => ask<FileEntry[]>('fs', 'readdir', ...args),
    stat: (...args) => ask<FileInfo>('fs', 'stat', ...args),
    mkdir: (...args) => ask('fs', 'mkdir', ...args),
    rm: (...args) => ask('fs', 'rm', ...args),
  };
}

function newResultId(): string {
  return `${ID_PREFIXES.result}_${nanoid()}`;
}

/** Throws when the value has no JSON form. `JSON.stringify` gives nothing for a function, whatever its type says. */
export function jsonOf(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw new TypeError(`a ${typeof value}`);
  return json;
}
