/** Jobs that are kept in flight, and the time of each. */

/** @typedef {import('./load-session.mjs').Job} Job */
/** @typedef {import('./load-session.mjs').LoadSession} LoadSession */

/** @typedef {{ jobs: number; frames: number; seconds: number; p50: number; p99: number }} LoadResult `p50`, `p99`: milliseconds */

/** Requests of a session whose start is remembered: more than are ever in flight. */
const STARTS = 1 << 12;

/**
 * Keeps `inFlight` jobs going for `ms`, as many on each session, and waits for the last of them.
 * @param {readonly LoadSession[]} sessions
 * @param {Job} job
 * @param {number} inFlight
 * @param {number} ms
 * @returns {Promise<LoadResult>}
 */
export async function runJobs(sessions, job, inFlight, ms) {
  const started = performance.now();
  const each = inFlight / sessions.length;
  const runs = await Promise.all(sessions.map((session) => runOn(session, job, each, started + ms)));
  const seconds = (performance.now() - started) / 1_000;
  const latencies = runs.flatMap((run) => run.latencies).sort((a, b) => a - b);
  return {
    jobs: latencies.length,
    frames: runs.reduce((sum, { frames }) => sum + frames, 0),
    seconds,
    p50: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  };
}

/**
 * @param {LoadSession} session
 * @param {Job} job
 * @param {number} inFlight
 * @param {number} until
 * @returns {Promise<{ frames: number; latencies: number[] }>}
 */
function runOn(session, job, inFlight, until) {
  const template = session.invocation(job);
  const size = template.bytes.length;
  const starts = new Float64Array(STARTS);
  /** @type {number[]} */
  const latencies = [];
  let frameCount = 0;
  let running = 0;

  /** @param {number} count */
  const sendMore = (count) => {
    const bytes = Buffer.allocUnsafe(count * size);
    const now = performance.now();
    for (let index = 0; index < count; index++) {
      starts[session.nextNumber % STARTS] = now;
      template.write(bytes, index * size, session.nextNumber++);
    }
    running += count;
    session.wire.socket.write(bytes);
  };

  return new Promise((resolve) => {
    session.wire.onFrames = (frames) => {
      frameCount += frames.length;
      const now = performance.now();
      let completed = 0;
      for (const frame of frames) {
        const number = session.completedBy(frame);
        if (number === -1) continue;
        const start = starts[number % STARTS] ?? 0;
        if (start === 0) throw new Error(`request ${number} is not in flight: ${frame.toString()}`);
        starts[number % STARTS] = 0;
        completed += 1;
        latencies.push(now - start);
      }
      running -= completed;
      if (now < until) {
        if (completed > 0) sendMore(completed);
      } else if (running === 0) resolve({ frames: frameCount, latencies });
    };
    sendMore(inFlight);
  });
}
