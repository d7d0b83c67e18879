/**
 * What `ws`, `JSON.parse` and `JSON.stringify` can do at most: every request is parsed and answered with the frames
 * that our runtime answered it with, made anew as objects, and nothing else. `corked` gathers the writes of a turn.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { answer, cpuMeter, parseJson } from './ipc.mjs';

/** @typedef {{ id: string; type: string; payload: { tool: string; arguments: { count?: number } } }} Request */
/** @typedef {Readonly<Record<string, unknown>>} Frame */

const corked = process.argv.includes('corked');
/** The frames of a job of each agent, as the runtime sent them. @type {Map<string, readonly Frame[]>} */
const templates = new Map();
let sent = 0;
/** @type {Request | undefined} */
let latest;

const handshakes = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const http = createServer();
http.on('upgrade', (request, socket, head) => {
  handshakes.handleUpgrade(request, socket, head, (ws) => {
    let isCorked = false;
    const send = (/** @type {unknown} */ frame) => {
      if (corked && !isCorked) {
        isCorked = true;
        socket.cork();
        setImmediate(() => {
          isCorked = false;
          socket.uncork();
        });
      }
      ws.send(JSON.stringify(frame));
    };
    ws.on('message', (/** @type {Buffer} */ data) => {
      const request = /** @type {Request} */ (parseJson(data.toString()));
      if (request.type === 'session.resume') void replay(send);
      else if (request.type !== 'tool.invoke') send({ type: 'session.accepted' });
      else if (request.payload.arguments.count === undefined) sendJob(request, send);
      else void sendEvents(request, request.payload.arguments.count, send);
    });
  });
});
http.listen(0, '127.0.0.1');
await once(http, 'listening');

/**
 * @param {Request} request
 * @param {(frame: unknown) => void} send
 */
function sendJob({ id, payload }, send) {
  for (const template of templates.get(payload.tool) ?? []) send(copyOf(template, id));
}

/**
 * The beginning, `count` events in groups as large as the runtime's, and the end.
 * @param {Request} request
 * @param {number} count
 * @param {(frame: unknown) => void} send
 */
async function sendEvents(request, count, send) {
  const { id, payload } = request;
  latest = request;
  const frames = templates.get(payload.tool) ?? [];
  const progress = frames.findIndex(({ type }) => type === 'job.progress');
  for (const template of frames.slice(0, progress)) send(copyOf(template, id));
  const template = frames[progress] ?? {};
  for (let current = 1; current <= count; current++) {
    send({ ...copyOf(template, id), payload: { percent: (100 * current) / count, current, total: count } });
    if (current % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  send(copyOf(frames.at(-1) ?? {}, id));
}

/**
 * The events of the latest job again, made anew, as fast as they can be sent.
 * @param {(frame: unknown) => void} send
 */
async function replay(send) {
  if (latest !== undefined) await sendEvents(latest, latest.payload.arguments.count ?? 0, send);
}

/**
 * @param {Frame} template
 * @param {string} correlationId
 */
function copyOf(template, correlationId) {
  sent += 1;
  return {
    ...template,
    id: `msg_${String(sent).padStart(21, '0')}`,
    event_seq: sent,
    timestamp: new Date().toISOString(),
    correlation_id: correlationId,
  };
}

answer({
  port: () => /** @type {import('node:net').AddressInfo} */ (http.address()).port,
  cpu: cpuMeter(),
  /** Takes the frames of a sampled job of `tool`. */
  learn(argument) {
    const { tool, frames } = /** @type {{ tool: string; frames: string[] }} */ (argument);
    templates.set(
      tool,
      frames.map((frame) => /** @type {Frame} */ (parseJson(frame))),
    );
  },
});
