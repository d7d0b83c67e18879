/**
 * Runs an agent in a thread of its own (`worker: true`), so that one that computes without pause stops nobody else.
 * A thread that does not heed its signal is terminated: even an endless loop can be cancelled.
 */
import { Worker } from 'node:worker_threads';
import { ArcpError } from '../protocol/errors.js';
import type { ErrorPayload } from '../protocol/errors.js';
import type { Agent, GuardedFiles, JobContext, Json, StreamOptions } from './agent.js';
import { ServedChildren } from './served-children.js';
import { ServedStreams } from './served-streams.js';
import { threadPlaces, type Place } from './thread-places.js';
import { callChild } from './numbered-children.js';
import type { CallMethod, FromWorker, NoteMethod, ToWorker, WorkerJob } from './worker-messages.js';

/** How long a thread may go on after its signal; well inside the default cancel deadline. */
const TERMINATE_AFTER_MS = 500;

/**
 * What the agent returned. `waits` is told that the thread waits for a place, and that it has one. Rejects with what
 * the agent threw, or with the signal's reason when it had to be terminated.
 */
export async function runInWorker(
  agent: Agent,
  module: string,
  input: unknown,
  ctx: JobContext,
  waits: (isWaiting: boolean) => void = () => undefined,
): Promise<unknown> {
  waits(true);
  const place = await threadPlaces.take(ctx.signal);
  waits(false);
  let run: WorkerRun;
  try {
    run = new WorkerRun(agent, module, input, ctx, place);
  } catch (error) {
    place.release();
    throw error;
  }
  try {
    return await run.outcome;
  } finally {
    // The agent may have left timers, sockets or a loop behind.
    void run.terminate().then(() => {
      place.release();
    });
  }
}

class WorkerRun {
  readonly outcome: Promise<unknown>;
  readonly #ctx: JobContext;
  readonly #place: Place;
  readonly #thread: Worker;
  readonly #children: ServedChildren;
  readonly #streams: ServedStreams;
  readonly #snapshots = new Map<number, { resolve(data: Json): void; reject(error: ArcpError): void }>();
  #nextSnapshot = 1;
  #fail: (error: ArcpError) => void = () => undefined;

  constructor(agent: Agent, module: string, input: unknown, ctx: JobContext, place: Place) {
    this.#ctx = ctx;
    this.#place = place;
    this.#streams = new ServedStreams(ctx, (stream, error) => {
      this.#send({ kind: 'streamStopped', stream, error: error.toPayload() });
    });
    this.#children = new ServedChildren(ctx, place, (ended) => {
      this.#send(ended);
    });
    const { expiresAt, capabilities, closed } = ctx.lease;
    const workerData: WorkerJob = {
      module,
      name: agent.name,
      version: agent.version,
      input,
      jobId: ctx.jobId,
      agent: ctx.agent,
      traceId: ctx.traceId,
      parentJobId: ctx.parentJobId,
      principal: ctx.principal,
      heartbeatMs: ctx.heartbeatMs,
      lease: { expiresAt, capabilities, closed },
      attempt: ctx.attempt,
      resumedFrom: ctx.resumedFrom,
      resultSoFar: ctx.resultSoFar,
      profile: ctx.profile,
    };
    this.#thread = new Worker(new URL('./worker-entry.js', import.meta.url), { workerData });
    this.outcome = new Promise((resolve, reject) => {
      this.#fail = reject;
      let patience: NodeJS.Timeout | undefined;
      const abort = (): void => {
        const reason = ArcpError.from(ctx.signal.reason);
        this.#send({ kind: 'abort', error: reason.toPayload() });
        patience = setTimeout(() => void this.#thread.terminate(), TERMINATE_AFTER_MS);
      };
      ctx.signal.addEventListener('abort', abort, { once: true });
      this.#thread.on('message', (message: FromWorker) => {
        if (message.kind === 'returned') resolve(valueOf(message.json));
        else if (message.kind === 'threw') reject(ArcpError.fromPayload(message.error));
        else if (message.kind === 'note' || message.kind === 'call') this.#serve(message);
        else this.#takeSnapshot(message);
      });
      this.#thread.on('error', (error) => {
        reject(ArcpError.from(error));
      });
      this.#thread.on('exit', (code) => {
        clearTimeout(patience);
        ctx.signal.removeEventListener('abort', abort);
        reject(
          ctx.signal.aborted
            ? ArcpError.from(ctx.signal.reason)
            : new ArcpError('INTERNAL', `the thread of ${ctx.agent} exited with code ${code}`),
        );
      });
    });
  }

  /** Resolves when the thread is gone. */
  async terminate(): Promise<void> {
    await this.#thread.terminate();
  }

  #send(message: ToWorker): void {
    this.#thread.postMessage(message);
  }

  #serve(message: Extract<FromWorker, { kind: 'note' | 'call' }>): void {
    if (message.kind === 'call') {
      const { id, method, args } = message;
      this.#call(method, args).then(
        (value) => {
          this.#send({ kind: 'answer', id, value });
        },
        (error: unknown) => {
          this.#send({ kind: 'refusal', id, error: ArcpError.from(error).toPayload() });
        },
      );
      return;
    }
    try {
      const notes: Record<NoteMethod, (...args: never[]) => void> = this.#ctx;
      notes[message.method](...(message.args as never[]));
    } catch (error) {
      // The agent has gone on meanwhile, so that this cannot be thrown where it was said.
      this.#fail(ArcpError.from(error));
    }
  }

  #takeSnapshot(message: Extract<FromWorker, { kind: 'listens' | 'snapshot' | 'noSnapshot' }>): void {
    if (message.kind === 'listens') {
      this.#ctx.onCheckpointRequest(() => this.#askSnapshot());
      return;
    }
    const { id } = message;
    const asked = this.#snapshots.get(id);
    this.#snapshots.delete(id);
    if (message.kind === 'snapshot') asked?.resolve((valueOf(message.json) ?? null) as Json);
    else asked?.reject(ArcpError.fromPayload(message.error));
  }

  #askSnapshot(): Promise<Json> {
    const id = this.#nextSnapshot++;
    return new Promise((resolve, reject) => {
      this.#snapshots.set(id, { resolve, reject });
      this.#send({ kind: 'snapshot', id });
    });
  }

  async #call(method: CallMethod, args: readonly unknown[]): Promise<unknown> {
    switch (method) {
      case 'charge':
        return this.#ctx.charge(...(args as Parameters<JobContext['charge']>));
      case 'checkpoint':
        return this.#ctx.checkpoint(args[0] as Json);
      case 'flushed':
        return this.#ctx.flushed();
      case 'remaining':
        return this.#ctx.lease.remaining();
      case 'authorize':
        return this.#ctx.authorize(...(args as Parameters<JobContext['authorize']>));
      case 'fs': {
        const [name, ...rest] = args as [keyof GuardedFiles, ...never[]];
        const files: Record<keyof GuardedFiles, (...given: never[]) => Promise<unknown>> = this.#ctx.fs;
        return files[name](...rest);
      }
      case 'tool':
        return this.#ctx.tools.call(...(args as Parameters<JobContext['tools']['call']>));
      case 'model':
        return this.#ctx.model.use(...(args as Parameters<JobContext['model']['use']>));
      // Here, and not in the thread, so that terminating the thread leaves no program behind.
      case 'shell':
        return this.#ctx.shell(...(args as Parameters<JobContext['shell']>));
      case 'delegate':
      case 'childCancel':
      case 'childBytes':
      case 'childForget':
      case 'childRead':
      case 'childNext':
      case 'childLeave':
        return callChild(this.#children, method, args);
      case 'handoff':
        return this.#lent(this.#ctx.handoff(...(args as Parameters<JobContext['handoff']>)));
      case 'ask':
        return this.#lent(this.#ctx.ask(...(args as Parameters<JobContext['ask']>)));
      case 'choose':
        return this.#lent(this.#ctx.choose(...(args as Parameters<JobContext['choose']>)));
      case 'requestPermission':
        return this.#lent(
          this.#ctx.requestPermission(...(args as Parameters<JobContext['requestPermission']>)),
        );
      case 'requestBudget':
        return this.#lent(this.#ctx.requestBudget(...(args as Parameters<JobContext['requestBudget']>)));
      case 'guidance':
        return this.#lent(this.#ctx.guidance());
      case 'artifactPart':
        return this.#ctx.artifactPart(...(args as Parameters<JobContext['artifactPart']>));
      case 'artifactPiece':
        return this.#ctx.artifactPiece(...(args as Parameters<JobContext['artifactPiece']>));
      case 'releaseArtifact':
        return this.#ctx.releaseArtifact(...(args as Parameters<JobContext['releaseArtifact']>));
      case 'openStream':
        this.#streams.open(...(args as [number, StreamOptions]));
        return undefined;
      case 'streamWrite':
        return this.#streams.write(...(args as [number, (string | Uint8Array)[]]));
      case 'streamEnd':
        return this.#streams.end(args[0] as number);
      case 'streamDestroy':
        this.#streams.destroy(...(args as [number, ErrorPayload | undefined]));
        return undefined;
      case 'nextInput':
        return this.#streams.nextInput();
      case 'readInput':
        return this.#streams.readInput(args[0] as number);
      case 'leaveInput':
        return this.#streams.leaveInput(args[0] as number);
    }
  }

  /** People take their time: others may run meanwhile. */
  async #lent<T>(answer: Promise<T>): Promise<T> {
    this.#place.lend();
    try {
      return await answer;
    } finally {
      this.#place.takeBack();
    }
  }
}

function valueOf(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}
