/** The thread's side of `worker: true`: loads the agent's module and runs the agent on a context that asks the runtime. */
import { parentPort, workerData } from 'node:worker_threads';
import { ArcpError } from '../protocol/errors.js';
import type { Agent } from './agent.js';
import { findAgent, type ModuleExports } from './find-agents.js';
import { jsonOf, MirroredContext } from './mirrored-context.js';
import { ThreadStreams } from './thread-streams.js';
import type { CallMethod, FromWorker, ToWorker, WorkerJob } from './worker-messages.js';

const port = parentPort;
if (port === null) throw new Error('this module is the entry of a worker thread');
const job = workerData as WorkerJob;

interface Pending<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

const calls = new Map<number, Pending<unknown>>();
const stop = new AbortController();
const streams = new ThreadStreams(call);
const mirror = new MirroredContext(
  job,
  {
    // Once it is over, the thread is terminated.
    isLive: true,
    streams,
    call,
    note: (method, ...args) => {
      send({ kind: 'note', method, args });
    },
    listens: () => {
      send({ kind: 'listens' });
    },
  },
  stop.signal,
);
let nextCall = 1;

function send(message: FromWorker): void {
  port?.postMessage(message);
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
      mirror.childEnded(message);
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
    const data = await mirror.snapshot();
    send({ kind: 'snapshot', id, json: data === undefined ? undefined : jsonOf(data) });
  } catch (error) {
    send({ kind: 'noSnapshot', id, error: ArcpError.from(error).toPayload() });
  }
}

async function run(): Promise<unknown> {
  const agent: Agent = findAgent((await import(job.module)) as ModuleExports, job.name, job.version);
  // Stopped while the module was loading: listeners of the agent would never be called.
  stop.signal.throwIfAborted();
  const value = await agent.run(job.input, mirror.ctx);
  await mirror.settled();
  return value;
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
