/** The text of the frames that one session is sent. */
import { PROTOCOL_VERSION } from '../../protocol/envelope.js';
import type { StoredRecord } from '../../store/store.js';
import { acceptance } from './acceptance.js';
import { draftEnding } from './endings.js';
import { eventBody } from './event-bodies.js';
import { EventFrameIds } from './frame-ids.js';
import { asEventOf, NativeEvents, type NativeEvent } from './native-event.js';

/** What a client of this session is to be told of a job's acceptance: that is for who asked for it. */
export type Asker = 'this session' | 'a job of this session' | 'somebody else';

export class EventFrames {
  readonly #features: ReadonlySet<string>;
  readonly #events = new NativeEvents();
  readonly #ids: EventFrameIds;
  readonly #acceptanceIds: EventFrameIds;
  /** How the payload of the latest event began, and what that was made of. */
  #payload = '';
  #kind = '';
  #timestamp = '';

  constructor(sessionId: string, features: ReadonlySet<string>) {
    this.#features = features;
    const head = `{"arcp":"${PROTOCOL_VERSION}","session_id":${JSON.stringify(sessionId)},"id":"`;
    this.#ids = new EventFrameIds(sessionId, 'event', head);
    this.#acceptanceIds = new EventFrameIds(sessionId, 'acceptance', head);
  }

  /** The numbered frame of an event, after the acceptance that it is, if this session is to be told of one. */
  of(record: StoredRecord, eventSeq: number, askerOf: () => Asker): string[] {
    const event = this.#events.read(record);
    const { timestamp, head } = event;
    const id = this.#ids.of(eventSeq, timestamp);
    const ending = draftEnding(event);
    if (ending !== undefined) {
      const { type, payload } = ending;
      const job = head.jobId ?? refusalId(record);
      return [
        `${id}","type":"${type}","job_id":"${job}"${head.trace},"event_seq":${eventSeq},"payload":${payload}}`,
      ];
    }
    const { kind, body } = eventBody(event, this.#features);
    if (kind !== this.#kind || timestamp !== this.#timestamp) {
      this.#kind = kind;
      this.#timestamp = timestamp;
      this.#payload = `,"payload":{"kind":"${kind}","ts":"${timestamp}","body":`;
    }
    const about = head.jobId === undefined ? asEventOf(refusalId(record), head.trace) : head.asEvent;
    const frame = `${id}${about}${eventSeq}${this.#payload}${body}}}`;
    if (event.type !== 'job.accepted') return [frame];
    const asker = askerOf();
    return asker === 'somebody else' ? [frame] : [this.#acceptance(event, eventSeq, asker), frame];
  }

  #acceptance(event: NativeEvent, eventSeq: number, asker: Asker): string {
    const id = this.#acceptanceIds.of(eventSeq, event.timestamp);
    const payload = acceptance(event, asker === 'this session');
    const { jobId = '', trace } = event.head;
    return `${id}","type":"job.accepted","job_id":"${jobId}"${trace},"payload":${payload}}`;
  }
}

/** What belongs to no job, such as the refusal of a submission, gets the id of one that nobody else has. */
function refusalId({ log, seq }: StoredRecord): string {
  return `job_${log.slice(log.indexOf('_') + 1)}.${seq}`;
}
