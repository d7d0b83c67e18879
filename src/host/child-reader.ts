/**
 * The events of a child, over the wire: asked for page by page, as they are read, so that what nobody reads is not sent and
 * who reads slowly holds one page (L7).
 */
import { EventQueue } from '../client/event-queue.js';
import { decodeEnvelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import { isJobEvent, isTerminal, type JobEvent } from '../protocol/job-event.js';
import type { JobWire } from './job-wire.js';

/** Events of one page, as where the job is. */
const PAGE = 16;

export class ChildReader {
  readonly #wire: JobWire;
  readonly #jobId: JobId;
  readonly #events = new EventQueue<JobEvent>({ items: PAGE, size: Number.MAX_SAFE_INTEGER });
  /** The number of the first event that was not asked for. */
  #asked = 1;
  /** How many of those are yet to be read. */
  #unread = 0;

  constructor(wire: JobWire, jobId: JobId) {
    this.#wire = wire;
    this.#jobId = jobId;
  }

  /** Rejects with DATA_LOSS where the child is no longer kept, and when the job is stopped. */
  async next(): Promise<IteratorResult<JobEvent, undefined>> {
    if (this.#unread === 0) void this.#page();
    this.#unread -= 1;
    return this.#events.next();
  }

  async #page(): Promise<void> {
    const from = this.#asked;
    this.#asked += PAGE;
    this.#unread += PAGE;
    let count = 0;
    try {
      const asked = { job_id: this.#jobId, history: true, from_event_seq: from, limit: PAGE };
      await this.#wire.ask('long', 'job.subscribe', asked, (answer) => {
        if (answer.type !== 'subscribe.event') return undefined;
        const event = eventIn(answer.payload.event);
        this.#events.push(event, 1);
        count += 1;
        if (isTerminal(event)) this.#events.end();
        return isTerminal(event) || count === PAGE ? { value: undefined } : undefined;
      });
    } catch (error) {
      this.#events.fail(ArcpError.from(error));
    }
  }
}

function eventIn(given: unknown): JobEvent {
  const decoded = decodeEnvelope(given);
  if (decoded.ok && isJobEvent(decoded.envelope)) return decoded.envelope;
  const why = decoded.ok ? `${decoded.envelope.type} is none` : decoded.refusal.message;
  throw new ArcpError('INTERNAL', `the runtime sent an event of a child that cannot be read: ${why}`);
}
