/**
 * The log of one job, or of one session for what happens to no job (law L1).
 *
 * (E1) An event gets its place in the log when it is appended and is shown to observers when it is committed (L2),
 *      in the store's order.
 * (E2) An event is turned into text once. The text lacks only what each watching session adds: `arcp`,
 *      `session_id` and `event_seq`, which are spliced in front of it.
 * (E3) An event's id follows from its place: nothing has to be drawn, and it is the same however often it is made.
 */
import { ID_PREFIXES, type MessageId, type SessionId } from '../protocol/ids.js';
import type { JobState } from '../protocol/job-state.js';
import type { MessageType, Payload } from '../protocol/messages.js';
import type { Priority } from '../protocol/priority.js';
import type { LogRecord } from '../store/store.js';
import type { Timestamps } from './timestamps.js';
import { EventOrder } from './event-order.js';
import type { Journal } from './journal.js';

/** One event of a log. `body` is its envelope as text from `"id"` to the closing brace. */
export interface LogEvent extends LogRecord {
  readonly type: MessageType;
  readonly id: MessageId;
  /** Of the body, as UTF-8. */
  readonly bytes: number;
  readonly source: EventLog;
  /** The stream that it belongs to, if it does. */
  readonly streamId: string | undefined;
  /** Of the job after this event; nothing for events of a session. */
  readonly state: JobState | undefined;
}

export interface EventObserver {
  /** Called once per committed event, in order. */
  onEvent(event: LogEvent): void;
  /** Whether it needs to be told no more: logs let it go then. */
  readonly isClosed?: boolean;
}

/** Counts what a session is told. */
export interface Numbering extends EventObserver {
  readonly lastSeq: number;
}

/** The envelope fields that all events of a job share. */
export interface EnvelopeFields {
  readonly job_id?: string | undefined;
  readonly trace_id?: string | undefined;
  readonly correlation_id?: string | undefined;
  readonly causation_id?: string | undefined;
  readonly idempotency_key?: string | undefined;
  readonly priority?: string | undefined;
  readonly subscription_id?: string | undefined;
  readonly stream_id?: string | undefined;
  /** Of what a client sent into a job: the session that it came from. */
  readonly source?: string | undefined;
}

/** Whom and what the events of a log are about: who may watch them goes by this. */
export interface LogSubject {
  readonly principal: string;
  readonly sessionId: SessionId;
  readonly jobId: string | undefined;
  readonly traceId: string | undefined;
  readonly priority: Priority;
}

/** What every log needs of its runtime. */
export interface LogContext {
  readonly journal: Journal;
  readonly timestamps: Timestamps;
}

/** How a log begins. */
export interface LogOrigin {
  /** What its first record carries for the time after a restart. */
  readonly head?: string | undefined;
  readonly subject?: LogSubject;
}

/** An event that was committed in an earlier life. Its body is there only where somebody has to read it. */
export interface PastEvent {
  readonly type: MessageType;
  readonly bytes: number;
  readonly body?: string;
  readonly state?: JobState | undefined;
  readonly streamId?: string | undefined;
}

const NOTHING_SHARED: EnvelopeFields = {};

export class EventLog {
  readonly id: string;
  readonly subject: LogSubject | undefined;
  readonly order = new EventOrder();
  /** The numbering of the session that asked for the job, or whose log this is. */
  numbering: Numbering | undefined;
  #observers: EventObserver[] = [];
  /** Size of the committed text, in bytes. */
  size = 0;
  /** Size of the text that is appended but not yet committed, in bytes. */
  pendingSize = 0;
  #appended = 0;
  #committed = 0;
  #telling = false;
  #released = false;
  /** What the ids of its events begin with. */
  readonly #idHead: MessageId;
  #shared: EnvelopeFields;
  #fields: string;
  readonly #context: LogContext;

  readonly #head: string | undefined;

  constructor(id: string, fields: EnvelopeFields, context: LogContext, { head, subject }: LogOrigin = {}) {
    this.id = id;
    this.subject = subject;
    this.#head = head;
    this.#idHead = `${ID_PREFIXES.message}_${id.slice(id.indexOf('_') + 1)}.`;
    this.#shared = fields;
    this.#fields = fieldsText(fields);
    // In one piece: every event begins with it, for as long as the job is kept.
    flatten(this.#fields);
    this.#context = context;
  }

  /** Those who are told of its events, in this order. */
  get observers(): readonly EventObserver[] {
    return this.#observers;
  }

  /** Tells the observer of every event that is committed from now on. */
  observe(observer: EventObserver): void {
    if (this.#mayTell(observer) && !this.#observers.includes(observer)) this.#observers.push(observer);
  }

  /** Tells the observer nothing more. */
  unobserve(observer: EventObserver): void {
    this.#observers = this.#observers.filter((one) => one !== observer);
  }

  /** Events that are appended but not yet committed. */
  get pending(): number {
    return this.#appended - this.#committed;
  }

  /** The place of the event that is appended next. */
  get nextSeq(): number {
    return this.#appended + 1;
  }

  get committedSeq(): number {
    return this.#committed;
  }

  /** Throws what `JSON.stringify` throws when the payload has no JSON form; nothing is appended then. */
  append<T extends MessageType>(type: T, payload: Payload<T>, fields?: EnvelopeFields): LogEvent {
    return this.appendText(type, JSON.stringify(payload), undefined, fields);
  }

  /** `append` for a payload that has been turned into text already. `fields` go over those that all events share. */
  appendText(type: MessageType, text: string, state?: JobState, fields?: EnvelopeFields): LogEvent {
    const { timestamps, journal } = this.#context;
    const seq = ++this.#appended;
    const id: MessageId = `${this.#idHead}${seq}`;
    const head = fields === undefined ? this.#fields : fieldsText({ ...this.#shared, ...fields });
    const body = `"id":"${id}","type":"${type}","timestamp":"${timestamps.now()}"${head},"payload":${text}}`;
    const bytes = flatten(body);
    const event: LogEvent = {
      kind: 'record',
      log: this.id,
      seq,
      type,
      id,
      body,
      bytes,
      source: this,
      streamId: fields?.stream_id,
      state,
      head: seq === 1 ? this.#head : undefined,
    };
    this.pendingSize += bytes;
    journal.append(event);
    return event;
  }

  /** The journal says that the store has it, and which of all commits it is. */
  committed(event: LogEvent, position: number): void {
    this.pendingSize -= event.bytes;
    this.#show(event, position);
  }

  /** The log's next event, as an earlier life committed it: its observers learn of it as they did then. */
  replay({ type, bytes, body = '', state, streamId }: PastEvent, position: number): LogEvent {
    const seq = ++this.#appended;
    const id: MessageId = `${this.#idHead}${seq}`;
    const event: LogEvent = {
      kind: 'record',
      log: this.id,
      seq,
      type,
      id,
      body,
      bytes,
      source: this,
      streamId,
      state,
    };
    this.#show(event, position);
    return event;
  }

  #show(event: LogEvent, position: number): void {
    this.#committed = event.seq;
    this.size += event.bytes;
    this.#telling = true;
    let closed = false;
    for (const observer of this.#observers) {
      if (this.#mayTell(observer)) observer.onEvent(event);
      else closed = true;
    }
    this.#telling = false;
    this.order.note(position, this.numbering?.lastSeq ?? 0);
    if (this.#released) this.#letGo();
    else if (closed) this.#observers = this.#observers.filter((observer) => this.#mayTell(observer));
  }

  /** Nothing will be appended any more: lets its observers go, once they know everything. */
  release(): void {
    this.#released = true;
    if (!this.#telling) this.#letGo();
  }

  /** A session that has ended is still counted by where its jobs go by its numbering. */
  #mayTell(observer: EventObserver): boolean {
    return observer.isClosed !== true || observer === this.numbering;
  }

  #letGo(): void {
    this.#shared = NOTHING_SHARED;
    this.#fields = '';
    this.#observers = [];
    this.numbering = undefined;
  }

  /** The journal says that the store refused it and all that follow: the log ends at its last commit again. */
  rewind(): void {
    this.#appended = this.#committed;
    this.pendingSize = 0;
  }
}

/**
 * The size of a text as UTF-8. Measuring it also makes one piece of a text that was put together from many, which is
 * smaller to keep and faster to send.
 */
function flatten(text: string): number {
  return Buffer.byteLength(text);
}

/** Ids and names come from the wire, so they are escaped; the rest of the text is ours. */
function fieldsText(fields: EnvelopeFields): string {
  let text = '';
  for (const name of Object.keys(fields) as (keyof EnvelopeFields)[]) {
    const value = fields[name];
    if (value !== undefined) text += `,"${name}":${quoted(value)}`;
  }
  return text;
}

/** Most are ids, in which nothing needs an escape. */
function quoted(text: string): string {
  return /^[\w.-]*$/.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** The fields of an envelope in front of its payload, read from an event's text without reading the payload. */
export function headOfBody(body: string): EnvelopeFields {
  // In front of the payload every quote of a value is escaped, so that this is found nowhere else before it.
  return JSON.parse(`{${body.slice(0, body.indexOf(',"payload":'))}}`) as EnvelopeFields;
}
