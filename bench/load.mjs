/** The load generator, in a process of its own: the same requests and the same cheap counting for every server. */
import { createHash } from 'node:crypto';
import { answer, cpuMeter, parseJson } from './ipc.mjs';
import { runJobs } from './load-jobs.mjs';
import { LoadSession } from './load-session.mjs';
import { blockOf } from './stream-data.mjs';

/** @typedef {import('./load-session.mjs').Job} Job */
/** @typedef {import('./load-jobs.mjs').LoadResult} LoadResult */
/** @typedef {{ bytes: number; chunkBytes: number; encoding: 'utf8' | 'base64' }} StreamArguments */

let server = { port: 0, inDraft: false };
/** @type {LoadSession[]} */
let sessions = [];
/** Those of `watch`, and how many frames each of them got. @type {{ session: LoadSession; frames: number }[]} */
let watchers = [];

answer({
  cpu: cpuMeter(),

  /** Opens sessions, each on a connection of its own, in place of those that there were. */
  async connect(argument) {
    const { port, dialect, sockets } = /** @type {{ port: number; dialect: string; sockets: number }} */ (
      argument
    );
    server = { port, inDraft: dialect === 'draft' };
    for (const session of sessions) session.close();
    sessions = [];
    for (let socket = 0; socket < sockets; socket++) sessions.push(await open());
  },

  /** The frames of one job as text, for the ceiling to send the same. */
  async sample(argument) {
    const template = first().invocation(/** @type {Job} */ (argument));
    /** @type {string[]} */
    const frames = [];
    await first().run(template, (frame) => frames.push(frame.toString()));
    return { requestBytes: template.payloadBytes, frames };
  },

  /** Keeps `inFlight` jobs going for `ms`, spread over the sessions. */
  jobs: (argument) => {
    const { inFlight, ms, ...job } = /** @type {Job & { inFlight: number; ms: number }} */ (argument);
    return runJobs(sessions, job, inFlight, ms);
  },

  /** Jobs in rounds of `inFlight`: each begins when all of the one before have ended. */
  async rounds(argument) {
    const { inFlight, rounds, ...job } = /** @type {Job & { inFlight: number; rounds: number }} */ (argument);
    for (let round = 0; round < rounds; round++) await runJobs(sessions, job, inFlight, 0);
  },

  /** One job after the other; the time of each is taken from its request to its end. */
  async events(argument) {
    const { repeat, ...job } = /** @type {Job & { repeat: number }} */ (argument);
    const template = first().invocation(job);
    const started = performance.now();
    let frames = 0;
    for (let run = 0; run < repeat; run++) await first().run(template, () => (frames += 1));
    return { jobs: repeat, frames, seconds: (performance.now() - started) / 1_000, p50: 0, p99: 0 };
  },

  /** In a session of its own: has a job tell `count` events, drops the connection, and has all of them told again. */
  async replay(argument) {
    const { count } = /** @type {{ count: number }} */ (argument);
    const session = await open();
    let told = 0;
    await session.run(session.invocation({ tool: 'burst', arguments: { count } }), () => (told += 1));
    const resume = await session.resume();
    let frames = 0;
    const again = session.until((frame) => {
      frames += 1;
      return session.completedBy(frame) !== -1;
    });
    const started = performance.now();
    resume();
    await again;
    const seconds = (performance.now() - started) / 1_000;
    session.close();
    if (Math.abs(frames - told) > 1) throw new Error(`${told} frames were told, and ${frames} again`);
    return { frames, seconds };
  },

  /** One job that streams its result. `check` reads every byte of it, otherwise chunks are counted. */
  async stream(argument) {
    const { check, ...input } = /** @type {StreamArguments & { check: boolean }} */ (argument);
    const hash = createHash('sha256');
    let chunks = 0;
    /** @type {Buffer | undefined} */
    let last;
    const started = performance.now();
    await first().run(first().invocation({ tool: 'stream', arguments: input }), (frame) => {
      last = frame;
      if (frame.length < input.chunkBytes) return;
      chunks += 1;
      if (check) hash.update(dataOf(frame));
    });
    const seconds = (performance.now() - started) / 1_000;
    const expected = input.bytes / input.chunkBytes;
    if (chunks !== expected) throw new Error(`${chunks} chunks of ${expected}: ${last?.toString() ?? ''}`);
    if (check) {
      const block = blockOf(input.encoding, input.chunkBytes);
      const wanted = createHash('sha256');
      for (let chunk = 0; chunk < expected; chunk++) wanted.update(block);
      if (hash.digest('hex') !== wanted.digest('hex')) throw new Error('the result is not what was streamed');
    }
    return { seconds };
  },

  /** Starts a job that waits, and has it watched by `subscribers` sessions more. */
  async watch(argument) {
    const { subscribers, count } = /** @type {{ subscribers: number; count: number }} */ (argument);
    for (const { session } of watchers.slice(1)) session.close();
    const owner = first();
    const started = owner.until((frame) => frame.includes('"job_id":"'));
    owner.send(owner.invocation({ tool: 'gated', arguments: { count } }));
    const jobId = /"job_id":"([^"]+)"/.exec((await started).toString())?.[1] ?? '';
    watchers = [{ session: owner, frames: 0 }];
    for (let subscriber = 0; subscriber < subscribers; subscriber++) {
      const session = await open();
      const subscribed = session.until((frame) => frame.includes('"job.subscribed"'));
      session.send(session.subscription(jobId));
      await subscribed;
      watchers.push({ session, frames: 0 });
    }
  },

  /** Until every one of them was told the end. Only the last frame of what comes at once is looked at. */
  async told(argument) {
    const { count } = /** @type {{ count: number }} */ (argument);
    const started = performance.now();
    await Promise.all(
      watchers.map(
        (watcher) =>
          new Promise((resolve) => {
            watcher.session.wire.onFrames = (frames) => {
              watcher.frames += frames.length;
              if (isEnd(frames.at(-1))) resolve(undefined);
            };
          }),
      ),
    );
    const seconds = (performance.now() - started) / 1_000;
    const counts = watchers.map(({ frames }) => frames);
    // Beside the events and the end there are at most the beginnings of the job, where those came late.
    if (counts.some((frames) => frames <= count || frames > count + 5))
      throw new Error(
        `of ${count} events and an end, ${Math.min(...counts)} to ${Math.max(...counts)} frames came`,
      );
    return { frames: counts.reduce((sum, frames) => sum + frames, 0), seconds };
  },

  /** Opens `count` sessions more, and leaves them idle. */
  async idle(argument) {
    const { count } = /** @type {{ count: number }} */ (argument);
    for (let session = 0; session < count; session++) sessions.push(await open());
  },

  /** Opens `count` sessions, has each run a job, and drops their connections. */
  async leaveSessions(argument) {
    const { count } = /** @type {{ count: number }} */ (argument);
    for (let left = 0; left < count; left++) {
      const session = await open();
      await session.run(session.invocation({ tool: 'fast', arguments: {} }));
      session.close();
    }
  },
});

function open() {
  return LoadSession.open(server.port, server.inDraft);
}

function first() {
  const [session] = sessions;
  if (session === undefined) throw new Error('there is no session');
  return session;
}

/** The decoded data of a chunk. */
function dataOf(/** @type {Buffer} */ frame) {
  /** @typedef {{ data: string; encoding: 'utf8' | 'base64' }} Chunk */
  const { payload } = /** @type {{ payload: Chunk | { body: Chunk } }} */ (parseJson(frame.toString()));
  const { data, encoding } = 'body' in payload ? payload.body : payload;
  return Buffer.from(data, encoding);
}

function isEnd(/** @type {Buffer | undefined} */ frame) {
  return (
    frame?.includes('"type":"job.completed"') === true || frame?.includes('"type":"job.result"') === true
  );
}
