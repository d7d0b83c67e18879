/** A session of the load generator: requests with numbers of its own, in one of the two dialects. */
import { parseJson } from './ipc.mjs';
import { completedBy, completesInDraft, LoadSocket, RequestTemplate } from './load-socket.mjs';

const NOW = '2026-01-01T00:00:00.000Z';
const FEATURES = ['ack', 'progress', 'result_chunk', 'subscribe'];

/** @typedef {{ tool: string; arguments: unknown }} Job */

export class LoadSession {
  nextNumber = 1;
  /** In draft-1.1, whose ends name no request: they come in the order of the requests. */
  #nextEnd = 1;
  /** What this session is resumed with. */
  #resumeToken = '';

  /**
   * @param {LoadSocket} wire
   * @param {number} port
   * @param {boolean} inDraft
   */
  constructor(wire, port, inDraft) {
    this.wire = wire;
    this.port = port;
    this.inDraft = inDraft;
  }

  /**
   * @param {number} port
   * @param {boolean} inDraft
   */
  static async open(port, inDraft) {
    const session = new LoadSession(await LoadSocket.open(port), port, inDraft);
    const auth = { scheme: 'bearer', token: 'bench' };
    const client = inDraft ? { name: 'bench', version: '1' } : { kind: 'bench', version: '1' };
    const capabilities = inDraft ? { features: FEATURES } : {};
    const opened = session.until((frame) => {
      const { payload } = /** @type {{ payload?: { resume_token?: string } }} */ (
        parseJson(frame.toString())
      );
      session.#resumeToken = payload?.resume_token ?? '';
      return true;
    });
    session.send(session.request(inDraft ? 'session.hello' : 'session.open', { auth, client, capabilities }));
    await opened;
    session.#nextEnd = session.nextNumber;
    return session;
  }

  /** Drops the connection and has everything told again, in this object. Only the classic dialect. */
  async resume() {
    this.wire.socket.destroy();
    this.wire = await LoadSocket.open(this.port);
    const payload = { resume_token: this.#resumeToken, last_event_seq: 0 };
    const request = this.request('session.resume', payload);
    return () => {
      this.send(request);
    };
  }

  /** @param {Job} job */
  invocation({ tool, arguments: input }) {
    return this.inDraft
      ? this.request('job.submit', { agent: tool, input })
      : this.request('tool.invoke', { tool, arguments: input });
  }

  /** @param {string} jobId */
  subscription(jobId) {
    return this.request('job.subscribe', { job_id: jobId, history: true });
  }

  /**
   * @param {string} type
   * @param {object} payload
   */
  request(type, payload) {
    const envelope = { arcp: '1.1', id: 'msg_##########', type, ...(this.inDraft ? {} : { timestamp: NOW }) };
    return new RequestTemplate(JSON.stringify({ ...envelope, payload }));
  }

  /** @param {RequestTemplate} template */
  send(template) {
    const bytes = Buffer.alloc(template.bytes.length);
    template.write(bytes, 0, this.nextNumber++);
    this.wire.socket.write(bytes);
  }

  /**
   * The number of the request that this frame completes, or -1.
   * @param {Buffer} frame
   */
  completedBy(frame) {
    if (!this.inDraft) return completedBy(frame);
    return completesInDraft(frame) ? this.#nextEnd++ : -1;
  }

  /**
   * Resolves with the first frame of which `is` holds. Rejects when something is wrong.
   * @param {(frame: Buffer) => boolean} is
   * @returns {Promise<Buffer>}
   */
  until(is) {
    return new Promise((resolve) => {
      this.wire.onFrames = (frames) => {
        for (const frame of frames) if (is(frame)) resolve(frame);
      };
    });
  }

  /**
   * Runs one job to its end and hands out every frame of it.
   * @param {RequestTemplate} template
   * @param {(frame: Buffer) => void} [onFrame]
   */
  async run(template, onFrame = () => undefined) {
    const done = this.until((frame) => {
      onFrame(frame);
      return this.completedBy(frame) !== -1;
    });
    this.send(template);
    await done;
  }

  close() {
    this.wire.socket.destroy();
  }
}
