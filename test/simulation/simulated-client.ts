/**
 * A client that does everything right on a network that does everything wrong: it says again what was not answered,
 * resumes where it was, and takes nothing on trust. What it finds amiss is a fault.
 *
 * What starts a job is said again under the same id, so that it starts one job. The other answers belong to a connection
 * and are lost with it, so that whoever still wants one asks anew (decision 22).
 */
import { decodeFrame, type AnyEnvelope } from '../../src/protocol/envelope.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import { Link } from './link.js';

interface Asked {
  readonly type: string;
  readonly payload: unknown;
  readonly frame: string;
}

const TERMINAL = /^job\.(completed|failed|cancelled)$/;

export class SimulatedClient {
  readonly name: string;
  /** Event `n` at `n - 1`. */
  readonly events: AnyEnvelope[] = [];
  /** Jobs by the command that asked for them. */
  readonly jobs = new Map<string, string>();
  readonly ended = new Set<string>();
  readonly faults: string[] = [];
  readonly #token: string;
  readonly #asked = new Map<string, Asked>();
  #link: Link | undefined;
  #inSession = false;
  #resumeToken: string | undefined;
  #sent = 0;

  constructor(name: string, token: string) {
    this.name = name;
    this.#token = token;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  get isConnected(): boolean {
    return this.#link?.alive === true;
  }

  /** Commands without an answer. */
  get unanswered(): number {
    return this.#asked.size;
  }

  get unfinished(): string[] {
    return [...new Set(this.jobs.values())].filter((job) => !this.ended.has(job));
  }

  connect(wire: MemoryTransport): void {
    this.#inSession = false;
    const link = new Link(
      wire,
      (frame) => {
        if (this.#link === link) this.#take(frame);
      },
      () => {
        if (this.#link === link) this.#link = undefined;
      },
    );
    this.#link = link;
    if (this.#resumeToken === undefined) {
      const auth = { scheme: 'bearer', token: this.#token };
      const client = { kind: 'simulated', version: '1' };
      link.send(this.#envelope('session.open', { auth, client, capabilities: {} }).frame);
    } else {
      const payload = { resume_token: this.#resumeToken, last_event_seq: this.events.length };
      link.send(this.#envelope('session.resume', payload).frame);
    }
  }

  submit(tool: string, key: string | undefined): void {
    this.#command('tool.invoke', { tool, arguments: {} }, key === undefined ? {} : { idempotency_key: key });
  }

  cancel(jobId: string): void {
    this.#command('cancel', { target: 'job', target_id: jobId });
  }

  watch(jobId: string): void {
    this.#command('job.subscribe', { job_id: jobId, history: true });
  }

  acknowledge(): void {
    if (this.#inSession)
      this.#link?.send(this.#envelope('session.ack', { last_processed_seq: this.events.length }).frame);
  }

  /** The last word on it: the same session told again from its beginning, to compare. */
  replayRequest(): string {
    return this.#envelope('session.resume', { resume_token: this.#resumeToken, last_event_seq: 0 }).frame;
  }

  #command(type: string, payload: unknown, extra: object = {}): void {
    const { id, frame } = this.#envelope(type, payload, extra);
    this.#asked.set(id, { type, payload, frame });
    if (this.#inSession) this.#link?.send(frame);
  }

  #envelope(
    type: string,
    payload: unknown,
    extra: object = {},
  ): { readonly id: string; readonly frame: string } {
    this.#sent += 1;
    const id = `msg_${this.name}${this.#sent}`;
    return {
      id,
      frame: JSON.stringify({ arcp: '1.1', id, type, timestamp: '2026-01-01T00:00:00Z', payload, ...extra }),
    };
  }

  #take(text: string): void {
    const decoded = decodeFrame(text);
    if (!decoded.ok) {
      this.#fault(`cannot read: ${decoded.refusal.message}`);
      return;
    }
    const { envelope } = decoded;
    switch (envelope.type) {
      case 'session.accepted':
      case 'session.resumed':
        this.#resumeToken = envelope.payload.resume_token;
        this.#inSession = true;
        this.acknowledge();
        this.#askAgain();
        return;
      case 'session.rejected':
        this.#fault(`rejected: ${envelope.payload.code} ${envelope.payload.message}`);
        return;
      case 'job.subscribed':
      case 'cancel.accepted':
      case 'cancel.refused':
        this.#answered(envelope);
        return;
      case 'nack':
        this.#fault(`nack: ${envelope.payload.code} ${envelope.payload.message}`);
        this.#answered(envelope);
        return;
      default:
        if (envelope.event_seq !== undefined) this.#event(envelope, envelope.event_seq);
    }
  }

  #askAgain(): void {
    for (const [id, { type, payload, frame }] of [...this.#asked]) {
      if (type === 'tool.invoke') {
        this.#link?.send(frame);
        continue;
      }
      this.#asked.delete(id);
      this.#command(type, payload);
    }
  }

  #answered({ correlation_id: id }: AnyEnvelope): void {
    if (id !== undefined) this.#asked.delete(id);
  }

  #event(event: AnyEnvelope, eventSeq: number): void {
    if (eventSeq !== this.events.length + 1)
      this.#fault(`event ${eventSeq} came after ${this.events.length}`);
    this.events.push(event);
    const { type, job_id: job = '', correlation_id: command } = event;
    if (type === 'job.accepted' && command !== undefined && this.#asked.has(command)) {
      this.jobs.set(command, job);
      this.#asked.delete(command);
    } else if (type === 'job.accepted' && command?.startsWith(`msg_${this.name}`) === true) {
      const before = this.jobs.get(command);
      if (before !== job) this.#fault(`${command} started ${before ?? 'nothing'}, and then ${job}`);
    }
    if (TERMINAL.test(type)) this.ended.add(job);
  }

  #fault(what: string): void {
    this.faults.push(`${this.name}: ${what}`);
  }
}
