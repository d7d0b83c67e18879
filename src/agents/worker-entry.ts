/** The thread's side of `worker: true`: loads the agent's module and runs the agent on a context that asks the runtime. */
import { nanoid } from 'nanoid';
import { parentPort, workerData } from 'node:worker_threads';
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES } from '../protocol/ids.js';
import { DEFAULT_RESULT_CHUNK_LIMITS } from '../protocol/result-chunks.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import { ArtifactResult, putArtifact, readArtifact } from './artifact-io.js';
import type {
  Agent,
  AgentArtifactPiece,
  FileEntry,
  FileInfo,
  GuardedFiles,
  JobContext,
  ResultChunk,
  ModelChoice,
  ShellResult,
} from './agent.js';
import { delegateAll } from './delegate-all.js';
import { guardedFetch } from './guarded/fetch.js';
import { findAgent, type ModuleExports } from './find-agents.js';
import { handled } from './handled.js';
import { ResultLedger } from './result-ledger.js';
import { ChunkedResult } from './result-stream.js';
import { ThreadChildren } from './thread-children.js';
import { ThreadStreams } from './thread-streams.js';
import type { CallMethod, FromWorker, NoteMethod, ToWorker, WorkerJob } from './worker-messages.js';

const port = parentPort;
if (port === null) throw new Error('this module is the entry of a worker thread');
const job = workerData as WorkerJob;

interface Pending<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

const calls = new Map<number, Pending<unknown>>();
const stop = new AbortController();
const result = new ResultLedger(DEFAULT_RESULT_CHUNK_LIMITS, job.resultSoFar);
let takeSnapshot: () => unknown = () => undefined;
const streams = new ThreadStreams(call);
const children = new ThreadChildren(call);
let nextCall = 1;

function send(message: FromWorker): void {
  port?.postMessage(message);
}

function note(method: NoteMethod, ...args: readonly unknown[]): void {
  send({ kind: 'note', method, args });
}

function call(method: CallMethod, ...args: readonly unknown[]): Promise<unknown> {
  const id = nextCall++;
  return new Promise((resolve, reject) => {
    calls.set(id, { resolve, reject });
    send({ kind: 'call', id, method, args });
  });
}

function receive(message: ToWorker): void {
  switch (message.kind) {
    case 'answer':
      calls.get(message.id)?.resolve(message.value);
      calls.delete(message.id);
      break;
    case 'refusal':
      calls.get(message.id)?.reject(ArcpError.fromPayload(message.error));
      calls.delete(message.id);
      break;
    case 'outcome':
      children.ended(message);
      break;
    case 'streamStopped':
      streams.stopped(message.stream, ArcpError.fromPayload(message.error));
      break;
    case 'snapshot':
      void answerSnapshot(message.id);
      break;
    case 'abort':
      stop.abort(ArcpError.fromPayload(message.error));
      break;
  }
}

async function answerSnapshot(id: number): Promise<void> {
  try {
    const data = await takeSnapshot();
    send({ kind: 'snapshot', id, json: data === undefined ? undefined : jsonOf(data) });
  } catch (error) {
    send({ kind: 'noSnapshot', id, error: ArcpError.from(error).toPayload() });
  }
}

async function checkpoint(data: unknown): Promise<string> {
  return (await call('checkpoint', JSON.parse(jsonOf(data ?? null)))) as string;
}

function newResultId(): string {
  return `${ID_PREFIXES.result}_${nanoid()}`;
}

function authorize(capability: string, target: string): Promise<string> {
  return handled(call('authorize', capability, target) as Promise<string>);
}

function onFiles(method: keyof GuardedFiles, ...args: readonly unknown[]): Promise<unknown> {
  return handled(call('fs', method, ...args));
}

const ctx: JobContext = {
  jobId: job.jobId,
  agent: job.agent,
  traceId: job.traceId,
  parentJobId: job.parentJobId,
  principal: job.principal,
  signal: stop.signal,
  // Once it is over, the thread is terminated.
  isLive: true,
  heartbeatMs: job.heartbeatMs,
  lease: {
    ...job.lease,
    remaining: async () => (await call('remaining')) as Readonly<Record<string, string>>,
  },
  attempt: job.attempt,
  resumedFrom: job.resumedFrom,
  resultSoFar: job.resultSoFar,
  checkpoint: (data) => handled(checkpoint(data)),
  onCheckpointRequest: (snapshot) => {
    takeSnapshot = snapshot;
    send({ kind: 'listens' });
  },
  progress: (progress) => {
    note('progress', progress);
  },
  log: (level, message, attributes) => {
    note('log', level, message, attributes);
  },
  metric: (name, value, options) => {
    note('metric', name, value, options);
  },
  emit: (name, data) => {
    note('emit', name, data);
  },
  heartbeat: (options) => {
    note('heartbeat', options);
  },
  summarize: (summary) => {
    note('summarize', summary);
  },
  resultChunk: (chunk) => {
    result.take(chunk, () => {
      note('resultChunk', chunk);
    });
  },
  openResult: (options = {}) => {
    result.refuseSecond();
    const sink = {
      chunk: (chunk: ResultChunk): void => {
        ctx.resultChunk(chunk);
      },
      replayed: () => {
        result.replayed();
      },
      flushed: () => ctx.flushed(),
    };
    const id = newResultId();
    const stream =
      options.as === 'artifact'
        ? new ArtifactResult(id, options, ctx)
        : new ChunkedResult(id, options, sink, job.resultSoFar);
    result.opened(stream);
    return stream;
  },
  input: streams.input,
  openStream: (options) => streams.open(options),
  charge: (...args) => handled(call('charge', ...args) as Promise<void>),
  flushed: async () => {
    await call('flushed');
  },
  artifact: (source, options = {}) => handled(putArtifact(source, options, newResultId(), ctx)),
  fetchArtifact: (artifact) => handled(readArtifact(artifact, ctx)),
  releaseArtifact: (artifact) => handled(call('releaseArtifact', artifact) as Promise<void>),
  artifactPart: (part) => handled(call('artifactPart', part) as Promise<ArtifactRef>),
  artifactPiece: (id, offset) => handled(call('artifactPiece', id, offset) as Promise<AgentArtifactPiece>),
  profile: job.profile,
  authorize,
  fs: {
    readFile: (...args) => onFiles('readFile', ...args) as Promise<Uint8Array>,
    readText: (...args) => onFiles('readText', ...args) as Promise<string>,
    writeFile: (...args) => onFiles('writeFile', ...args) as Promise<void>,
    readdir: (...args) => onFiles('readdir', ...args) as Promise<FileEntry[]>,
    stat: (...args) => onFiles('stat', ...args) as Promise<FileInfo>,
    mkdir: (...args) => onFiles('mkdir', ...args) as Promise<void>,
    rm: (...args) => onFiles('rm', ...args) as Promise<void>,
  },
  fetch: (input, init) =>
    handled(guardedFetch((url) => authorize('net.fetch', url), stop.signal, input, init)),
  tools: { call: (name, args) => handled(call('tool', name, args)) },
  model: { use: (model) => handled(call('model', model) as Promise<ModelChoice>) },
  shell: (argv, options) => handled(call('shell', argv, options) as Promise<ShellResult>),
  delegate: (...args) => handled(children.delegate(...args)),
  handoff: (...args) => handled(call('handoff', ...args)),
  delegateAll: (...args) => handled(delegateAll((target, options) => ctx.delegate(target, options), ...args)),
  ask: (...args) => handled(call('ask', ...args)),
  choose: (...args) => handled(call('choose', ...args) as Promise<string>),
  requestPermission: (request) =>
    handled(call('requestPermission', request) as ReturnType<JobContext['requestPermission']>),
  requestBudget: (...args) => handled(call('requestBudget', ...args) as Promise<void>),
  guidance: () => handled(call('guidance') as ReturnType<JobContext['guidance']>),
};

async function run(): Promise<unknown> {
  const agent: Agent = findAgent((await import(job.module)) as ModuleExports, job.name, job.version);
  // Stopped while the module was loading: listeners of the agent would never be called.
  stop.signal.throwIfAborted();
  const value = await agent.run(job.input, ctx);
  await streams.settled();
  await new Promise<void>((resolve, reject) => {
    result.whenSettled((error) => {
      if (error === undefined) resolve();
      else reject(ArcpError.from(error));
    });
  });
  result.completion();
  return value;
}

/** Throws when the value has no JSON form. `JSON.stringify` gives nothing for a function, whatever its type says. */
function jsonOf(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw new TypeError(`a ${typeof value}`);
  return json;
}

port.on('message', receive);
run()
  .then(
    (value) => {
      send({ kind: 'returned', json: value === undefined ? undefined : jsonOf(value) });
    },
    (error: unknown) => {
      send({ kind: 'threw', error: ArcpError.from(error).toPayload() });
    },
  )
  .catch((error: unknown) => {
    send({
      kind: 'threw',
      error: new ArcpError('INVALID_ARGUMENT', `not JSON: ${String(error)}`).toPayload(),
    });
  })
  .finally(() => {
    port.close();
  });
