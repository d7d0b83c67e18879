/**
 * A client that speaks the protocol itself, one frame at a time. Every frame that the runtime sends is read by the
 * language's own decoder: one that it refuses fails the test that next looks.
 */
import { decodeFrame, type AnyEnvelope } from '../../src/protocol/envelope.js';
import type { MessageType } from '../../src/protocol/messages.js';
import type { Transport, TransportEnd } from '../../src/transport/transport.js';

export type FrameOf<T extends MessageType> = Extract<AnyEnvelope, { type: T }>;

type Matcher = MessageType | ((frame: AnyEnvelope) => boolean);

/** How long a frame that is due may take before the test is told what came instead. */
const PATIENCE_MS = 15_000;

let messages = 0;

export class RawClient {
  readonly transport: Transport;
  /** Everything that came, in order. */
  readonly frames: AnyEnvelope[] = [];
  end: TransportEnd | undefined;
  sessionId = '';
  resumeToken = '';
  /** Frames that nobody has taken yet. */
  #waiting: AnyEnvelope[] = [];
  readonly #refused: string[] = [];
  #wake: (() => void)[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
    transport.start({
      message: (frame) => {
        this.#arrived(frame);
      },
      closed: (end) => {
        this.end = end;
        this.#changed();
      },
    });
  }

  /** Sends an envelope and returns its id. */
  send(type: string, payload: unknown, extra: Readonly<Record<string, unknown>> = {}): string {
    messages += 1;
    const id = `msg_t${messages}`;
    this.sendText(
      JSON.stringify({ arcp: '1.1', id, type, timestamp: '2026-01-01T00:00:00Z', payload, ...extra }),
    );
    return typeof extra['id'] === 'string' ? extra['id'] : id;
  }

  sendText(frame: string): void {
    this.transport.send(frame);
  }

  /** Opens a session: as the principal of this token, or anonymously. */
  async open(token?: string, capabilities: unknown = {}): Promise<FrameOf<'session.accepted'>> {
    const auth = token === undefined ? { scheme: 'none' } : { scheme: 'bearer', token };
    const id = this.send('session.open', { auth, client: { kind: 'test', version: '0' }, capabilities });
    const accepted = await this.next('session.accepted', (frame) => frame.correlation_id === id);
    this.sessionId = accepted.payload.session_id;
    this.resumeToken = accepted.payload.resume_token ?? '';
    return accepted;
  }

  async resume(token: string, lastEventSeq: number): Promise<FrameOf<'session.resumed'>> {
    this.send('session.resume', { resume_token: token, last_event_seq: lastEventSeq });
    const resumed = await this.next('session.resumed');
    this.sessionId = resumed.payload.session_id;
    this.resumeToken = resumed.payload.resume_token;
    return resumed;
  }

  /** Sends `tool.invoke` and returns the message's id. */
  invoke(tool: string, args: unknown = {}, extra: Readonly<Record<string, unknown>> = {}): string {
    const { payload, ...envelope } = extra as { payload?: object };
    return this.send('tool.invoke', { tool, arguments: args, ...payload }, envelope);
  }

  /** Invokes and returns the job's id once it is accepted. */
  async accepted(
    tool: string,
    args: unknown = {},
    extra: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const id = this.invoke(tool, args, extra);
    const { payload } = await this.next('job.accepted', (frame) => frame.correlation_id === id);
    return payload.job_id;
  }

  /** Takes the first frame not yet taken that matches; waits for it. Frames before it stay. */
  async next<T extends MessageType>(type: T, matches?: (frame: FrameOf<T>) => boolean): Promise<FrameOf<T>> {
    const isIt = (frame: AnyEnvelope): boolean =>
      frame.type === type && (matches === undefined || matches(frame as FrameOf<T>));
    const found = await this.#eventually(() => this.#waiting.find(isIt), type);
    this.#waiting = this.#waiting.filter((frame) => frame !== found);
    return found as FrameOf<T>;
  }

  /** Takes whatever answers the message with this id. */
  async answerTo(id: string): Promise<AnyEnvelope> {
    const isIt = (frame: AnyEnvelope): boolean => frame.correlation_id === id;
    const found = await this.#eventually(() => this.#waiting.find(isIt), `the answer to ${id}`);
    this.#waiting = this.#waiting.filter((frame) => frame !== found);
    return found;
  }

  /** Takes the terminal event of a job. */
  async terminal(jobId: string): Promise<FrameOf<'job.completed' | 'job.failed' | 'job.cancelled'>> {
    const isIt = (frame: AnyEnvelope): boolean => isTerminal(frame) && frame.job_id === jobId;
    const found = await this.#eventually(() => this.#waiting.find(isIt), `the end of ${jobId}`);
    this.#waiting = this.#waiting.filter((frame) => frame !== found);
    return found as FrameOf<'job.completed' | 'job.failed' | 'job.cancelled'>;
  }

  /** Takes what the runtime says to a command: `ack` or `nack`. */
  async said(id: string): Promise<FrameOf<'ack' | 'nack'>> {
    const isIt = (frame: AnyEnvelope): boolean =>
      (frame.type === 'ack' || frame.type === 'nack') && frame.correlation_id === id;
    const found = await this.#eventually(() => this.#waiting.find(isIt), `the answer to ${id}`);
    this.#waiting = this.#waiting.filter((frame) => frame !== found);
    return found as FrameOf<'ack' | 'nack'>;
  }

  /** Resolves when the connection has ended. */
  async closed(): Promise<TransportEnd> {
    return this.#eventually(() => this.end, 'the close');
  }

  /** Frames that came and match, taken or not. */
  seen(matcher: Matcher): AnyEnvelope[] {
    this.#complain();
    return this.frames.filter(typeof matcher === 'string' ? (frame) => frame.type === matcher : matcher);
  }

  /** The types of the events of one job, in order. */
  story(jobId: string): MessageType[] {
    return this.seen((frame) => frame.job_id === jobId).map(({ type }) => type);
  }

  /** The numbered events, in order of arrival. */
  events(): AnyEnvelope[] {
    return this.seen((frame) => frame.event_seq !== undefined);
  }

  get lastSeq(): number {
    return Math.max(0, ...this.events().map((frame) => frame.event_seq ?? 0));
  }

  #arrived(text: string): void {
    const decoded = decodeFrame(text);
    if (decoded.ok) {
      this.frames.push(decoded.envelope);
      this.#waiting.push(decoded.envelope);
    } else {
      this.#refused.push(`${decoded.refusal.message}: ${text.slice(0, 300)}`);
    }
    this.#changed();
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }

  #complain(): void {
    if (this.#refused.length > 0)
      throw new Error(`the runtime sent what is not ARCP: ${this.#refused.join('; ')}`);
  }

  async #eventually<T>(look: () => T | undefined, what: string): Promise<T> {
    const patience = { over: false };
    const timeout = setTimeout(() => {
      patience.over = true;
      this.#changed();
    }, PATIENCE_MS);
    try {
      for (;;) {
        this.#complain();
        const found = look();
        if (found !== undefined) return found;
        if (patience.over) throw new Error(`${what} did not come. ${this.#whatCame()}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    } finally {
      clearTimeout(timeout);
    }
  }

  #whatCame(): string {
    const last = this.frames.slice(-8).map((frame) => `${frame.type} ${JSON.stringify(frame.payload)}`);
    return `End: ${JSON.stringify(this.end)}. Last frames:\n${last.join('\n').slice(0, 4_000)}`;
  }
}

function isTerminal({ type }: AnyEnvelope): boolean {
  return type === 'job.completed' || type === 'job.failed' || type === 'job.cancelled';
}
