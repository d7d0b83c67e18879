/** The load generator, in a process of its own: the same requests and the same cheap counting for every server. */
import { answer, parseJson } from './ipc.mjs';
import {
  completedBy as completedByClassic,
  completesInDraft,
  LoadSocket,
  RequestTemplate,
} from './load-socket.mjs';

/** Requests whose start is remembered: more than are ever in flight. */
const STARTS = 1 << 12;
const NOW = '2026-01-01T00:00:00.000Z';

/** @typedef {{ jobs: number; frames: number; seconds: number; p50: number; p99: number }} LoadResult */

/** @type {LoadSocket} */
let load;
let port = 0;
/** What the latest session of this process is resumed with. */
let resumeToken = '';
let nextNumber = 1;
/** Whether this process speaks draft-1.1. */
let inDraft = false;
/** In draft-1.1, whose ends name no request: they come in the order of the requests. */
let nextEnd = 1;

answer({
  /** Opens the connection and a session on it. */
  async connect(argument) {
    const server = /** @type {{ port: number; dialect: string }} */ (argument);
    port = server.port;
    inDraft = server.dialect === 'draft';
    load = await openSession();
  },

  /** The frames of one job as text, for the ceiling to send the same. */
  async sample(argument) {
    /** @type {string[]} */
    const frames = [];
    const done = untilCompleted((frame) => frames.push(frame.toString()));
    const template = invocation(argument);
    send(template);
    await done;
    return { requestBytes: template.payloadBytes, frames };
  },

  /** Keeps `inFlight` jobs going for `ms`. */
  jobs: (argument) => {
    const { inFlight, ms, ...job } = /** @type {{ inFlight: number; ms: number }} */ (argument);
    return runJobs(invocation(job), inFlight, ms);
  },

  /** One job after the other; the time of each is taken from its request to its end. */
  events: async (argument) => {
    const { repeat, ...job } = /** @type {{ repeat: number }} */ (argument);
    const template = invocation(job);
    const started = performance.now();
    let frames = 0;
    for (let run = 0; run < repeat; run++) {
      const done = untilCompleted(() => (frames += 1));
      send(template);
      await done;
    }
    return { jobs: repeat, frames, seconds: (performance.now() - started) / 1_000, p50: 0, p99: 0 };
  },

  /** In a session of its own: has a job tell `count` events, drops the connection, and has all of them told again. */
  async replay(argument) {
    const { count } = /** @type {{ count: number }} */ (argument);
    load.socket.destroy();
    load = await openSession();
    const done = untilCompleted(() => undefined);
    send(invocation({ tool: 'burst', arguments: { count } }));
    await done;
    load.socket.destroy();
    load = await LoadSocket.open(port);
    const payload = { resume_token: resumeToken, last_event_seq: 0 };
    const resume = new RequestTemplate(JSON.stringify({ ...envelope('session.resume'), payload }));
    let frames = 0;
    const told = untilCompleted(() => (frames += 1));
    const started = performance.now();
    send(resume);
    await told;
    return { events: frames, seconds: (performance.now() - started) / 1_000 };
  },

  /** Opens `count` sessions, has each run a job, and drops their connections. */
  async leaveSessions(argument) {
    const { count } = /** @type {{ count: number }} */ (argument);
    for (let session = 0; session < count; session++) {
      load = await openSession();
      const done = untilCompleted(() => undefined);
      send(invocation({ tool: 'fast', arguments: {} }));
      await done;
      load.socket.destroy();
    }
    return count;
  },
});

/** @returns {Promise<LoadSocket>} */
async function openSession() {
  load = await LoadSocket.open(port);
  const auth = { scheme: 'bearer', token: 'bench' };
  const open = inDraft
    ? {
        ...envelope('session.hello'),
        payload: {
          auth,
          client: { name: 'bench', version: '1' },
          capabilities: { features: ['ack', 'progress', 'result_chunk'] },
        },
      }
    : {
        ...envelope('session.open'),
        payload: { auth, client: { kind: 'bench', version: '1' }, capabilities: {} },
      };
  const accepted = nextFrame();
  send(new RequestTemplate(JSON.stringify(open)));
  const frame = /** @type {{ payload?: { resume_token?: string } }} */ (
    parseJson((await accepted).toString())
  );
  resumeToken = frame.payload?.resume_token ?? '';
  nextEnd = nextNumber;
  return load;
}

/**
 * @param {RequestTemplate} template
 * @param {number} inFlight
 * @param {number} ms
 * @returns {Promise<LoadResult>}
 */
function runJobs(template, inFlight, ms) {
  const starts = new Float64Array(STARTS);
  /** @type {number[]} */
  const latencies = [];
  const size = template.bytes.length;
  const started = performance.now();
  const until = started + ms;
  let frameCount = 0;
  let running = 0;

  /** @param {number} count */
  const sendMore = (count) => {
    const bytes = Buffer.allocUnsafe(count * size);
    const now = performance.now();
    for (let index = 0; index < count; index++) {
      starts[nextNumber % STARTS] = now;
      template.write(bytes, index * size, nextNumber++);
    }
    running += count;
    load.socket.write(bytes);
  };

  return new Promise((resolve) => {
    load.onFrames = (frames) => {
      frameCount += frames.length;
      const now = performance.now();
      let completed = 0;
      for (const frame of frames) {
        const number = completedBy(frame);
        if (number === -1) continue;
        completed += 1;
        latencies.push(now - (starts[number % STARTS] ?? now));
      }
      running -= completed;
      if (now < until) {
        if (completed > 0) sendMore(completed);
      } else if (running === 0) {
        latencies.sort((a, b) => a - b);
        resolve({
          jobs: latencies.length,
          frames: frameCount,
          seconds: (now - started) / 1_000,
          p50: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
          p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
        });
      }
    };
    sendMore(inFlight);
  });
}

/**
 * @param {(frame: Buffer) => void} onFrame
 * @returns {Promise<void>}
 */
function untilCompleted(onFrame) {
  return new Promise((resolve) => {
    load.onFrames = (frames) => {
      for (const frame of frames) {
        onFrame(frame);
        if (completedBy(frame) !== -1) resolve();
      }
    };
  });
}

/** @returns {Promise<Buffer>} */
function nextFrame() {
  return new Promise((resolve) => {
    load.onFrames = ([frame]) => {
      if (frame !== undefined) resolve(frame);
    };
  });
}

/** @param {RequestTemplate} template */
function send(template) {
  const bytes = Buffer.alloc(template.bytes.length);
  template.write(bytes, 0, nextNumber++);
  load.socket.write(bytes);
}

/** @param {unknown} job */
function invocation(job) {
  const { tool, arguments: input } = /** @type {{ tool: string; arguments: unknown }} */ (job);
  const request = inDraft
    ? { ...envelope('job.submit'), payload: { agent: tool, input } }
    : { ...envelope('tool.invoke'), payload: job };
  return new RequestTemplate(JSON.stringify(request));
}

/** @param {string} type */
function envelope(type) {
  return { arcp: '1.1', id: 'msg_##########', type, ...(inDraft ? {} : { timestamp: NOW }) };
}

/** The number of the request that this frame completes, or -1. */
function completedBy(/** @type {Buffer} */ frame) {
  if (!inDraft) return completedByClassic(frame);
  return completesInDraft(frame) ? nextEnd++ : -1;
}
