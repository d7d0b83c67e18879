/**
 * What `ws`, `JSON.parse` and `JSON.stringify` can do at most: every request is parsed and answered with the frames
 * that our runtime answered it with, made anew as objects, and nothing else. `corked` gathers the writes of a turn.
 *
 * (C1) As many frames of the same sizes as the runtime sent: they are made from a sample of its own.
 * (C2) What goes to many is made once, with its WebSocket header, and the same bytes are written to all.
 * (C3) It waits for a socket that is behind, as every server has to.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { answer, cpuMeter, heapInUse, parseJson } from './ipc.mjs';
import { blockOf } from './stream-data.mjs';

/** @typedef {{ count?: number; bytes: number; chunkBytes: number; encoding: 'utf8' | 'base64' }} Arguments */
/** @typedef {{ id: string; type: string; payload: { tool: string; arguments: Arguments } }} Request */
/** @typedef {Readonly<Record<string, unknown>>} Frame */
/** @typedef {{ send: (frame: unknown) => void; keepUp: () => Promise<void>; socket: import('node:stream').Duplex; cork: () => void }} Client */

/** Events of a job between two turns, as many as the runtime's agent tells at once. */
const GROUP = 64;
/** What a socket may be behind by. */
const BEHIND_BYTES = 1 << 20;

const corked = process.argv.includes('corked');
/** The frames of a job of each agent, as the runtime sent them. @type {Map<string, readonly Frame[]>} */
const templates = new Map();
let sent = 0;
/** @type {Request | undefined} */
let latest;
/** Whose `go` is waited for, and who watches it. @type {{ request: Request; owner: Client } | undefined} */
let gated;
/** @type {Client[]} */
let watchers = [];

const handshakes = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const http = createServer();
http.on('upgrade', (request, socket, head) => {
  handshakes.handleUpgrade(request, socket, head, (ws) => {
    let isCorked = false;
    const cork = () => {
      if (!corked || isCorked) return;
      isCorked = true;
      socket.cork();
      setImmediate(() => {
        isCorked = false;
        socket.uncork();
      });
    };
    /** @type {Client} */
    const client = {
      socket,
      cork,
      send(frame) {
        cork();
        ws.send(JSON.stringify(frame));
      },
      async keepUp() {
        while (socket.writableLength > BEHIND_BYTES && !socket.destroyed)
          await new Promise((resolve) => setImmediate(resolve));
      },
    };
    ws.on('message', (/** @type {Buffer} */ data) => {
      take(/** @type {Request} */ (parseJson(data.toString())), client);
    });
    ws.on('close', () => {
      watchers = watchers.filter((watcher) => watcher !== client);
    });
  });
});
http.listen(0, '127.0.0.1');
await once(http, 'listening');

/**
 * @param {Request} request
 * @param {Client} client
 */
function take(request, client) {
  const { type, payload } = request;
  if (type === 'session.resume') void replay(client);
  else if (type === 'job.subscribe') {
    watchers.push(client);
    client.send({ type: 'job.subscribed' });
  } else if (type !== 'tool.invoke') client.send({ type: 'session.accepted' });
  else if (payload.tool === 'burst') void sendEvents(request, client);
  else if (payload.tool === 'stream') void sendChunks(request, client);
  else if (payload.tool === 'gated') {
    gated = { request, owner: client };
    client.send({ type: 'job.accepted', job_id: 'job_1' });
  } else for (const template of framesOf(request)) client.send(copyOf(template, request.id));
}

/**
 * The beginning, the events in groups as large as the runtime's, and the end.
 * @param {Request} request
 * @param {Client} client
 */
async function sendEvents(request, client) {
  const { id, payload } = request;
  const { count = 0 } = payload.arguments;
  latest = request;
  const { before, repeated, end } = partsOf(request, 'job.progress');
  for (const template of before) client.send(copyOf(template, id));
  for (let current = 1; current <= count; current++) {
    client.send({
      ...copyOf(repeated, id),
      payload: { percent: (100 * current) / count, current, total: count },
    });
    if (current % GROUP !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    await client.keepUp();
  }
  client.send(copyOf(end, id));
}

/**
 * The events of the latest job again, made anew, as fast as they can be sent.
 * @param {Client} client
 */
async function replay(client) {
  if (latest !== undefined) await sendEvents(latest, client);
}

/**
 * @param {Request} request
 * @param {Client} client
 */
async function sendChunks(request, client) {
  const { id, payload } = request;
  const { bytes, chunkBytes, encoding } = payload.arguments;
  const { before, repeated, end } = partsOf(request, 'job.result_chunk');
  const block = blockOf(encoding, chunkBytes);
  for (const template of before) client.send(copyOf(template, id));
  const chunks = bytes / chunkBytes;
  for (let seq = 0; seq < chunks; seq++) {
    const chunk = { .../** @type {object} */ (repeated['payload']), chunk_seq: seq, more: seq < chunks - 1 };
    client.send({ ...copyOf(repeated, id), payload: { ...chunk, encoding, data: block.toString(encoding) } });
    await new Promise((resolve) => setImmediate(resolve));
    await client.keepUp();
  }
  client.send(copyOf(end, id));
}

/** (C2) */
async function sendToAll() {
  if (gated === undefined) return;
  const { request, owner } = gated;
  const { repeated, end } = partsOf(request, 'job.progress');
  const { count = 0 } = request.payload.arguments;
  const all = [owner, ...watchers];
  for (let current = 1; current <= count + 1; current++) {
    const payload = { percent: (100 * current) / count, current, total: count };
    const frame = copyOf(current > count ? end : repeated, request.id);
    const bytes = framed(current > count ? frame : { ...frame, payload });
    for (const { socket, cork } of all) {
      cork();
      socket.write(bytes);
    }
    if (current % GROUP !== 0) continue;
    await new Promise((resolve) => setImmediate(resolve));
    for (const client of all) await client.keepUp();
  }
}

/**
 * A whole unmasked text message, of 126 to 65,535 bytes (RFC 6455 §5.2).
 * @param {unknown} frame
 */
function framed(frame) {
  const data = Buffer.from(JSON.stringify(frame));
  return Buffer.concat([Buffer.from([0x81, 126, data.length >>> 8, data.length & 0xff]), data]);
}

/** @param {Request} request */
function framesOf({ payload }) {
  return templates.get(payload.tool === 'gated' ? 'burst' : payload.tool) ?? [];
}

/**
 * What comes before the frames that are many, one of those, and what comes last.
 * @param {Request} request
 * @param {string} type
 */
function partsOf(request, type) {
  const frames = framesOf(request);
  const first = frames.findIndex((frame) => frame['type'] === type);
  return { before: frames.slice(0, first), repeated: frames[first] ?? {}, end: frames.at(-1) ?? {} };
}

/**
 * @param {Frame} template
 * @param {string} correlationId
 */
function copyOf(template, correlationId) {
  sent += 1;
  const copy = {
    ...template,
    id: `msg_${String(sent).padStart(21, '0')}`,
    event_seq: sent,
    timestamp: new Date().toISOString(),
  };
  // What nobody asked for, such as the events of a child, names no request.
  return 'correlation_id' in template ? { ...copy, correlation_id: correlationId } : copy;
}

answer({
  port: () => /** @type {import('node:net').AddressInfo} */ (http.address()).port,
  cpu: cpuMeter(),
  heap: heapInUse,
  go: () => void sendToAll(),
  /** Takes the frames of the sampled jobs. */
  learn(argument) {
    for (const [tool, frames] of /** @type {[string, string[]][]} */ (argument))
      templates.set(
        tool,
        frames.map((frame) => /** @type {Frame} */ (parseJson(frame))),
      );
  },
});
