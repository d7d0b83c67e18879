/** The text of the frames that one session is sent. */
import { PROTOCOL_VERSION } from '../../protocol/envelope.js';
import type { DraftMessageType } from '../../protocol/draft/messages.js';
import type { StoredRecord } from '../../store/store.js';
import { acceptance } from './acceptance.js';
import { draftEnding } from './endings.js';
import { eventBody } from './event-bodies.js';
import { EventFrameIds } from './frame-ids.js';
import { readNativeEvent, type NativeEvent } from './native-event.js';
import { draftTraceId } from './trace-ids.js';

/** What a client of this session is to be told of a job's acceptance: that is for who asked for it. */
export type Asker = 'this session' | 'a job of this session' | 'somebody else';

export class EventFrames {
  readonly #head: string;
  readonly #features: ReadonlySet<string>;
  readonly #ids: EventFrameIds;
  readonly #acceptanceIds: EventFrameIds;

  constructor(sessionId: string, features: ReadonlySet<string>) {
    this.#head = `{"arcp":"${PROTOCOL_VERSION}","session_id":${JSON.stringify(sessionId)},"id":"`;
    this.#features = features;
    this.#ids = new EventFrameIds(sessionId, 'event');
    this.#acceptanceIds = new EventFrameIds(sessionId, 'acceptance');
  }

  /** The numbered frame of an event, after the acceptance that it is, if this session is to be told of one. */
  of(record: StoredRecord, eventSeq: number, askerOf: () => Asker): string[] {
    const event = readNativeEvent(record);
    const { timestamp } = event;
    const about = fieldsOf(event, record);
    const numbered = `${about},"event_seq":${eventSeq}`;
    const id = this.#ids.of(eventSeq, timestamp);
    const ending = draftEnding(event);
    if (ending !== undefined) return [this.#frame(id, ending.type, numbered, ending.payload)];
    const { kind, body } = eventBody(event, this.#features);
    const payload = `{"kind":"${kind}","ts":"${timestamp}","body":${body}}`;
    const frame = this.#frame(id, 'job.event', numbered, payload);
    if (event.type !== 'job.accepted') return [frame];
    const asker = askerOf();
    if (asker === 'somebody else') return [frame];
    const acceptanceId = this.#acceptanceIds.of(eventSeq, timestamp);
    const accepted = acceptance(event, asker === 'this session');
    return [this.#frame(acceptanceId, 'job.accepted', about, accepted), frame];
  }

  #frame(id: string, type: DraftMessageType, about: string, payload: string): string {
    return `${this.#head}${id}","type":"${type}"${about},"payload":${payload}}`;
  }
}

/** A submission that no job came of has no job's id: its refusal gets one of its own, which nobody else has. */
function fieldsOf({ jobId, traceId }: NativeEvent, { log, seq }: StoredRecord): string {
  const job = jobId ?? `job_${log.slice(log.indexOf('_') + 1)}.${seq}`;
  return `,"job_id":"${job}"${traceId === undefined ? '' : `,"trace_id":"${draftTraceId(traceId)}"`}`;
}
