/** The load generator, in a process of its own: the same requests and the same cheap counting for every server. */
import { answer } from './ipc.mjs';
import { completedBy, LoadSocket, RequestTemplate } from './load-socket.mjs';

/** Requests whose start is remembered: more than are ever in flight. */
const STARTS = 1 << 12;
const NOW = '2026-01-01T00:00:00.000Z';

/** @typedef {{ jobs: number; frames: number; seconds: number; p50: number; p99: number }} LoadResult */

/** @type {LoadSocket} */
let load;
let nextNumber = 1;

answer({
  /** Opens the connection and a session on it. */
  async connect(port) {
    load = await LoadSocket.open(Number(port));
    const open = {
      ...envelope('session.open'),
      payload: {
        auth: { scheme: 'bearer', token: 'bench' },
        client: { kind: 'bench', version: '1' },
        capabilities: {},
      },
    };
    const accepted = nextFrames(1);
    send(new RequestTemplate(JSON.stringify(open)));
    await accepted;
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
});

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

/**
 * @param {number} count
 * @returns {Promise<void>}
 */
function nextFrames(count) {
  return new Promise((resolve) => {
    let left = count;
    load.onFrames = (frames) => {
      left -= frames.length;
      if (left <= 0) resolve();
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
  return new RequestTemplate(JSON.stringify({ ...envelope('tool.invoke'), payload: job }));
}

/** @param {string} type */
function envelope(type) {
  return { arcp: '1.1', id: 'msg_##########', type, timestamp: NOW };
}
