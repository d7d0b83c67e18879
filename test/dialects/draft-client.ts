/**
 * A client that speaks draft-1.1 itself, one frame at a time. Every frame that the runtime sends is read by the draft's
 * own decoder, and numbered frames must come without a gap: what is wrong fails the test that next looks.
 */
import { decodeDraftFrame, type AnyDraftEnvelope } from '../../src/protocol/draft/envelope.js';
import { DRAFT_FEATURES } from '../../src/protocol/draft/features.js';
import type { DraftMessageType } from '../../src/protocol/draft/messages.js';
import type { Transport, TransportEnd } from '../../src/transport/transport.js';

export type DraftFrame<T extends DraftMessageType> = Extract<AnyDraftEnvelope, { type: T }>;

/** How long a frame that is due may take. */
const PATIENCE_MS = 5_000;

let messages = 0;

export class DraftClient {
  readonly transport: Transport;
  /** Everything that came, in order: as text, and as it was read. */
  readonly texts: string[] = [];
  readonly frames: AnyDraftEnvelope[] = [];
  end: TransportEnd | undefined;
  sessionId = '';
  resumeToken = '';
  lastSeq = 0;
  #waiting: AnyDraftEnvelope[] = [];
  readonly #faults: string[] = [];
  #wake: (() => void)[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
    transport.start({
      message: (text) => {
        this.#arrived(text);
      },
      closed: (end) => {
        this.end = end;
        this.#changed();
      },
    });
  }

  /** Sends a frame and returns its id. */
  send(type: string, payload?: unknown, extra: Readonly<Record<string, unknown>> = {}): string {
    messages += 1;
    const id = `msg_d${messages}`;
    const session = this.sessionId === '' ? {} : { session_id: this.sessionId };
    this.transport.send(JSON.stringify({ arcp: '1.1', id, type, ...session, payload, ...extra }));
    return typeof extra['id'] === 'string' ? extra['id'] : id;
  }

  /** Opens a session of the principal whose token this is, with every feature of the draft unless told otherwise. */
  async hello(
    token = 'ada',
    features: readonly string[] | null = DRAFT_FEATURES,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<DraftFrame<'session.welcome'>> {
    this.send('session.hello', {
      client: { name: 'test', version: '0' },
      auth: { scheme: 'bearer', token },
      capabilities: { encodings: ['json'], ...(features === null ? {} : { features }) },
      ...more,
    });
    return this.#welcomed(0);
  }

  /** Goes on with the session of another connection: by `session.hello` or by `session.resume`. */
  async resume(
    from: DraftClient,
    lastEventSeq = from.lastSeq,
    by: 'hello' | 'resume' = 'hello',
  ): Promise<DraftFrame<'session.welcome'>> {
    const resume = { resume_token: from.resumeToken, last_event_seq: lastEventSeq };
    this.lastSeq = lastEventSeq;
    if (by === 'resume') this.send('session.resume', resume);
    else {
      this.send('session.hello', {
        client: { name: 'test', version: '0' },
        auth: { scheme: 'bearer', token: 'ada' },
        capabilities: { features: DRAFT_FEATURES },
        resume: { session_id: from.sessionId, ...resume },
      });
    }
    return this.#welcomed(lastEventSeq);
  }

  async #welcomed(lastEventSeq: number): Promise<DraftFrame<'session.welcome'>> {
    const welcome = await this.next('session.welcome');
    this.sessionId = welcome.session_id ?? '';
    this.resumeToken = welcome.payload.resume_token;
    if (this.frames[0] !== welcome) throw new Error('something came before the welcome');
    this.lastSeq = Math.max(this.lastSeq, lastEventSeq);
    return welcome;
  }

  submit(
    agent: string,
    input?: unknown,
    payload: object = {},
    extra: Readonly<Record<string, unknown>> = {},
  ): string {
    return this.send('job.submit', { agent, input, ...payload }, extra);
  }

  /** Submits and returns the job's id once it is accepted. */
  async accepted(agent: string, input?: unknown, payload: object = {}): Promise<string> {
    const id = this.submit(agent, input, payload);
    const accepted = await this.next('job.accepted', (frame) => frame.payload.request_id === id);
    return accepted.payload.job_id;
  }

  /** Takes the first frame not yet taken that matches; waits for it. */
  async next<T extends DraftMessageType>(
    type: T,
    matches: (frame: DraftFrame<T>) => boolean = () => true,
  ): Promise<DraftFrame<T>> {
    const isIt = (frame: AnyDraftEnvelope): boolean => frame.type === type && matches(frame as DraftFrame<T>);
    const found = await this.#eventually(() => this.#waiting.find(isIt), type);
    this.#waiting = this.#waiting.filter((frame) => frame !== found);
    return found as DraftFrame<T>;
  }

  /** Takes the end of a job. */
  async terminal(jobId: string): Promise<DraftFrame<'job.result' | 'job.error'>> {
    const isIt = (frame: AnyDraftEnvelope): boolean => isTerminal(frame) && frame.job_id === jobId;
    const found = await this.#eventually(() => this.#waiting.find(isIt), `the end of ${jobId}`);
    this.#waiting = this.#waiting.filter((frame) => frame !== found);
    return found as DraftFrame<'job.result' | 'job.error'>;
  }

  async closed(): Promise<TransportEnd> {
    return this.#eventually(() => this.end, 'the close');
  }

  /** Frames of this type that came, taken or not. */
  seen<T extends DraftMessageType>(type: T): DraftFrame<T>[] {
    this.#complain();
    return this.frames.filter((frame): frame is DraftFrame<T> => frame.type === type);
  }

  /** The numbered frames of one job, or of all, in order: kinds for events, types for ends. */
  story(jobId?: string): string[] {
    return this.events(jobId).map((frame) =>
      frame.type === 'job.event'
        ? frame.payload.kind === 'status'
          ? `status ${(frame.payload.body as { phase: string }).phase}`
          : frame.payload.kind
        : frame.type,
    );
  }

  events(jobId?: string): AnyDraftEnvelope[] {
    this.#complain();
    return this.frames.filter(
      (frame) => frame.event_seq !== undefined && (jobId === undefined || frame.job_id === jobId),
    );
  }

  /** The bodies of the events of one kind. */
  bodies(kind: string): unknown[] {
    return this.seen('job.event')
      .filter(({ payload }) => payload.kind === kind)
      .map(({ payload }) => payload.body);
  }

  #arrived(text: string): void {
    this.texts.push(text);
    const read = decodeDraftFrame(text);
    if (!read.ok) this.#faults.push(`${read.refusal.message}: ${text.slice(0, 300)}`);
    else {
      const { envelope } = read;
      const isFirst = envelope.type === 'session.welcome' || envelope.type === 'session.error';
      if (!isFirst && envelope.session_id === undefined) this.#faults.push(`no session_id: ${text}`);
      if (envelope.event_seq !== undefined) {
        if (envelope.event_seq !== this.lastSeq + 1) this.#faults.push(`after ${this.lastSeq} came ${text}`);
        this.lastSeq = envelope.event_seq;
      }
      this.frames.push(envelope);
      this.#waiting.push(envelope);
    }
    this.#changed();
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }

  #complain(): void {
    if (this.#faults.length > 0)
      throw new Error(`the runtime sent what is wrong: ${this.#faults.join('; ')}`);
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
    return `End: ${JSON.stringify(this.end)}. Last frames:\n${this.texts.slice(-8).join('\n').slice(0, 4_000)}`;
  }
}

function isTerminal({ type }: AnyDraftEnvelope): boolean {
  return type === 'job.result' || type === 'job.error';
}
