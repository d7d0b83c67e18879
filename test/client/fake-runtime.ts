/**
 * The other end of a client under test: a real peer in the same process over a memory pair, which says exactly what
 * the test tells it to.
 */
import { connect, type Client, type ConnectOptions } from '../../src/client/index.js';
import {
  decodeFrame,
  type AnyEnvelope,
  type Envelope,
  type JobId,
  type MessageType,
  type Payload,
} from '../../src/protocol/index.js';
import { memoryPair, type MemoryTransport } from '../../src/transport/memory.js';
import type { TransportEnd } from '../../src/transport/transport.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

type Fields = Partial<Omit<Envelope, 'type' | 'payload'>>;

/** What is queued until somebody takes it. */
class Mailbox<T> {
  readonly queued: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  put(item: T): void {
    const take = this.#waiting.shift();
    if (take === undefined) this.queued.push(item);
    else take(item);
  }

  take(): Promise<T> {
    const item = this.queued.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export class FakeConnection {
  readonly end: Promise<TransportEnd>;
  readonly acks: number[] = [];
  readonly #runtime: FakeRuntime;
  readonly #transport: MemoryTransport;
  readonly #inbox = new Mailbox<AnyEnvelope>();

  constructor(runtime: FakeRuntime, transport: MemoryTransport) {
    this.#runtime = runtime;
    this.#transport = transport;
    this.end = new Promise((resolve) => {
      transport.start({
        message: (frame) => this.#message(frame),
        closed: resolve,
      });
    });
  }

  /** Frames that came and were not yet taken. */
  get unread(): readonly AnyEnvelope[] {
    return this.#inbox.queued;
  }

  /** The next frame, which must be of this type. `session.ack` is only counted. */
  async next<Type extends MessageType>(type: Type): Promise<Envelope<Type>> {
    const envelope = await this.#inbox.take();
    if (envelope.type !== type)
      throw new Error(`expected ${type}, the client sent ${JSON.stringify(envelope)}`);
    return envelope as AnyEnvelope & Envelope<Type>;
  }

  /** Sends something that is not numbered. */
  reply<Type extends MessageType>(type: Type, payload: Payload<Type>, fields: Fields = {}): void {
    this.raw(this.#runtime.frame(type, payload, fields));
  }

  /** Sends the session's next event. */
  event<Type extends MessageType>(type: Type, payload: Payload<Type>, fields: Fields = {}): void {
    this.reply(type, payload, { event_seq: this.#runtime.nextSeq(), ...fields });
  }

  raw(frame: string): void {
    this.#transport.send(frame);
  }

  /** Breaks the connection. */
  drop(): void {
    this.#transport.destroy();
  }

  close(code: 1000 | 1001 | 1008 = 1001, reason = ''): void {
    this.#transport.close(code, reason);
  }

  pause(): void {
    this.#transport.pause();
  }

  /** Lets a new session in. */
  async accept(
    options: { resumeToken?: string; capabilities?: Payload<'session.accepted'>['capabilities'] } = {},
  ) {
    const open = await this.next('session.open');
    this.#runtime.restartSeq();
    this.reply(
      'session.accepted',
      {
        session_id: 'sess_1',
        runtime: { kind: 'fake', version: '1' },
        capabilities: options.capabilities ?? {},
        resume_token: options.resumeToken,
      },
      { correlation_id: open.id },
    );
    return open;
  }

  /** Takes a session up again, without replaying anything. */
  async resume(nextToken: string) {
    const resume = await this.next('session.resume');
    this.reply(
      'session.resumed',
      {
        session_id: 'sess_1',
        resume_token: nextToken,
        replayed_from: resume.payload.last_event_seq,
        replayed: false,
      },
      { correlation_id: resume.id },
    );
    return resume;
  }

  async rejectResume(code: Payload<'session.rejected'>['code']) {
    const resume = await this.next('session.resume');
    this.reply('session.rejected', { code, message: 'no' }, { correlation_id: resume.id });
  }

  /** Accepts the next `tool.invoke` as this job. */
  async acceptJob(jobId: JobId) {
    const invoke = await this.next('tool.invoke');
    this.event('job.accepted', { job_id: jobId }, { job_id: jobId, correlation_id: invoke.id });
    return invoke;
  }

  progress(jobId: JobId, percent: number): void {
    this.event('job.progress', { current: percent, percent }, { job_id: jobId });
  }

  complete(jobId: JobId, payload: Payload<'job.completed'> = {}): void {
    this.event('job.completed', payload, { job_id: jobId });
  }

  #message(frame: string): void {
    const decoded = decodeFrame(frame);
    if (!decoded.ok) throw new Error(`the client sent a frame that does not decode: ${frame}`);
    if (decoded.envelope.type === 'session.ack') this.acks.push(decoded.envelope.payload.last_processed_seq);
    else this.#inbox.put(decoded.envelope);
  }
}

export class FakeRuntime {
  readonly clock = new FakeClock();
  readonly connections = new Mailbox<FakeConnection>();
  /** Set to make dialling fail. */
  unreachable: Error | undefined;
  dials = 0;
  #seq = 0;
  #ids = 0;

  readonly dial = (): Promise<MemoryTransport> => {
    this.dials += 1;
    if (this.unreachable !== undefined) return Promise.reject(this.unreachable);
    const [client, server] = memoryPair();
    this.connections.put(new FakeConnection(this, server));
    return Promise.resolve(client);
  };

  /** A client that connects to this runtime; jitter gives the whole delay. */
  connect(options: ConnectOptions = {}): Promise<Client> {
    return connect('ws://fake', { dial: this.dial, clock: this.clock, random: () => 1, ...options });
  }

  /** A client with an open session, and its connection. */
  async open(
    options: ConnectOptions & { resumeToken?: string } = {},
  ): Promise<{ client: Client; connection: FakeConnection }> {
    const { resumeToken, ...rest } = options;
    const connecting = this.connect(rest);
    const connection = await this.connections.take();
    await connection.accept(resumeToken === undefined ? {} : { resumeToken });
    return { client: await connecting, connection };
  }

  /** The connection that the client makes after its backoff; the first delay is 100 ms. */
  async reconnected(delayMs = 100): Promise<FakeConnection> {
    await turn();
    await this.clock.advance(delayMs);
    return this.connections.take();
  }

  frame(type: MessageType, payload: unknown, fields: Fields): string {
    this.#ids += 1;
    const timestamp = new Date(this.clock.now()).toISOString();
    return JSON.stringify({ arcp: '1.1', id: `msg_r${this.#ids}`, type, timestamp, ...fields, payload });
  }

  nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /** The number of the event that was sent last. */
  get lastSeq(): number {
    return this.#seq;
  }

  restartSeq(): void {
    this.#seq = 0;
  }
}

/** Lets everything that is already under way arrive. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** All that an iterator gives, and the error that it ends with, if it does. */
export async function drain<T>(source: AsyncIterable<T>): Promise<{ items: T[]; error: unknown }> {
  const items: T[] = [];
  try {
    for await (const item of source) items.push(item);
    return { items, error: undefined };
  } catch (error) {
    return { items, error };
  }
}

/** The error of a promise that must reject. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}
