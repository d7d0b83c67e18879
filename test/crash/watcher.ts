/**
 * A client that keeps jobs going on a runtime that is killed again and again, and remembers everything that it was shown.
 * It comes back with `session.resume` and takes nothing on trust: a gap, a repeat or a second end is an error. One that
 * is curious watches the jobs of the other sessions of its principal as well, in every way that there is.
 */
import { decodeFrame, type AnyEnvelope } from '../../src/protocol/envelope.js';
import type { Transport } from '../../src/transport/transport.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';

const TERMINAL = /^job\.(completed|failed|cancelled)$/;

export class Watcher {
  /** What came, by `event_seq` from 1. */
  readonly events: AnyEnvelope[] = [];
  readonly unfinished = new Set<string>();
  readonly ended = new Set<string>();
  readonly faults: string[] = [];
  readonly #url: string;
  readonly #token: string;
  /** Jobs that it keeps going. */
  readonly #width: number;
  #resumeToken: string | undefined;
  #transport: Transport | undefined;
  #working = true;
  #closed = false;
  #sent = 0;
  /** Commands whose job has not been accepted yet. A crash may have taken them. */
  #asked = 0;
  /** Events of other sessions' jobs that it was told because it watches them or their kind. */
  watched = 0;
  readonly #isCurious: boolean;
  /** Its own jobs. Others it hears of because it watches. */
  readonly #own = new Set<string>();
  readonly #commands = new Set<string>();
  /** Subscriptions by `subscribe`, and commands that ask for one. */
  readonly #subscriptions = new Set<string>();

  constructor(url: string, token: string, width: number, isCurious: boolean) {
    this.#url = url;
    this.#token = token;
    this.#width = width;
    this.#isCurious = isCurious;
  }

  /** Watches a job of somebody else's: at random from its beginning, from now on, or no more. */
  hear(jobId: string): void {
    if (!this.#isCurious || this.#own.has(jobId)) return;
    const chance = Math.random();
    if (chance < 0.4) this.#send('job.subscribe', { job_id: jobId, history: true });
    else if (chance < 0.6) this.#send('job.subscribe', { job_id: jobId });
    else if (chance < 0.8) this.#send('job.unsubscribe', { job_id: jobId });
    else if (chance < 0.83) this.#subscribe();
    else if (chance < 0.86) this.#unsubscribe();
  }

  /** To the ends of all jobs of the principal, at random with what happened lately. */
  #subscribe(): void {
    if (this.#subscriptions.size > 4) return;
    const since = Math.random() < 0.5 ? this.events.at(-20) : undefined;
    this.#send('subscribe', {
      filter: { types: ['job.completed', 'job.failed'] },
      ...(since === undefined ? {} : { since: { after_message_id: since.id } }),
    });
  }

  #unsubscribe(): void {
    const [oldest] = this.#subscriptions;
    if (oldest !== undefined) this.#send('unsubscribe', { subscription_id: oldest });
  }

  /** Connects and goes on until the connection ends. Rejects when nobody listens. */
  async connect(): Promise<void> {
    const transport = await dialWebSocket(this.#url);
    if (this.#closed) {
      transport.close(1000, '');
      return;
    }
    this.#transport = transport;
    await new Promise<void>((resolve) => {
      transport.start({
        message: (text) => {
          this.#take(text);
        },
        closed: () => {
          this.#transport = undefined;
          resolve();
        },
      });
      if (this.#resumeToken === undefined) {
        const auth = { scheme: 'bearer', token: this.#token };
        this.#send('session.open', { auth, client: { kind: 'watcher', version: '1' }, capabilities: {} });
      } else {
        this.#send('session.resume', { resume_token: this.#resumeToken, last_event_seq: this.events.length });
      }
    });
  }

  get isIdle(): boolean {
    return !this.#working && this.unfinished.size === 0 && this.#asked === 0;
  }

  #onJob: (jobId: string) => void = () => undefined;

  /** Calls back with each of its jobs. */
  onJob(listener: (jobId: string) => void): void {
    this.#onJob = listener;
  }

  /** Starts no further jobs. */
  finish(): void {
    this.#working = false;
  }

  /** Everything that the session was ever told, as the runtime has it now. */
  async everything(): Promise<AnyEnvelope[]> {
    const transport = await dialWebSocket(this.#url);
    const found: AnyEnvelope[] = [];
    await new Promise<void>((resolve) => {
      transport.start({
        message: (text) => {
          const decoded = decodeFrame(text);
          if (!decoded.ok || decoded.envelope.event_seq === undefined) return;
          found.push(decoded.envelope);
          if (found.length === this.events.length) transport.close(1000, '');
        },
        closed: () => {
          resolve();
        },
      });
      this.#sendOn(transport, 'session.resume', { resume_token: this.#resumeToken, last_event_seq: 0 });
    });
    return found;
  }

  /** Also a connection that is only being made. */
  close(): void {
    this.#closed = true;
    this.#transport?.close(1000, '');
  }

  #take(text: string): void {
    const decoded = decodeFrame(text);
    if (!decoded.ok) {
      this.faults.push(`cannot be read: ${decoded.refusal.message}`);
      return;
    }
    const { envelope } = decoded;
    if (envelope.type === 'session.accepted' || envelope.type === 'session.resumed') {
      this.#resumeToken = envelope.payload.resume_token;
      // What was asked for before the crash either shows up as an accepted job, or never happened.
      this.#asked = 0;
      this.#send('ping', {});
    } else if (envelope.type === 'session.rejected') {
      this.faults.push(`rejected: ${envelope.payload.message}`);
    } else if (envelope.type === 'subscribe.accepted') {
      this.#subscriptions.add(envelope.payload.subscription_id);
    } else if (envelope.event_seq !== undefined) {
      this.#event(envelope, envelope.event_seq);
    }
    this.#fill();
  }

  #event(envelope: AnyEnvelope, eventSeq: number): void {
    if (eventSeq !== this.events.length + 1) {
      this.faults.push(`event ${eventSeq} came after ${this.events.length}`);
    }
    this.events.push(envelope);
    const { type, job_id: job = '', correlation_id: command = '' } = envelope;
    if (type === 'subscribe.closed') this.#subscriptions.delete(envelope.payload.subscription_id);
    if (type === 'job.accepted' && this.#commands.has(command)) {
      this.#asked = Math.max(0, this.#asked - 1);
      this.#own.add(job);
      this.unfinished.add(job);
      this.#onJob(job);
    }
    if (!this.#own.has(job)) {
      this.watched += 1;
      return;
    }
    if (!TERMINAL.test(type)) return;
    if (this.ended.has(job)) this.faults.push(`${job} ended twice`);
    this.ended.add(job);
    this.unfinished.delete(job);
  }

  #fill(): void {
    while (this.#working && this.unfinished.size + this.#asked < this.#width) {
      this.#asked += 1;
      this.#send('tool.invoke', { tool: this.#sent % 2 === 0 ? 'worker' : 'phoenix', arguments: {} });
    }
  }

  #send(type: string, payload: unknown): void {
    if (this.#transport !== undefined) this.#sendOn(this.#transport, type, payload);
  }

  #sendOn(transport: Transport, type: string, payload: unknown): void {
    this.#sent += 1;
    const id = `msg_${crypto.randomUUID()}`;
    if (type === 'tool.invoke') this.#commands.add(id);
    transport.send(JSON.stringify({ arcp: '1.1', id, type, timestamp: new Date().toISOString(), payload }));
  }
}
