/**
 * The ids of the frames that we send. The draft wants ULIDs (draft-02 §5.1), and some peers read nothing else: 10 digits of
 * time, and 16 that make it unique.
 *
 * An event's id follows from its session, its number and its time, so that it is the same however often it is told.
 */
import { createHash, randomBytes } from 'node:crypto';

/** Crockford's base 32. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_DIGITS = 10;
const HALF = 8;
/** Every pair of digits: the last two of a number are all that changes from one event to the next. */
const PAIRS = Array.from({ length: 32 * 32 }, (_, value) => digitsOf(value, 2));

/** A number below 2^(5 × length) in that many digits. */
function digitsOf(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let digit = 0; digit < length; digit += 1) {
    text = DIGITS.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** Five bytes are eight digits. */
function halfOf(bytes: Buffer, offset: number): string {
  return digitsOf(bytes.readUIntBE(offset, 5), HALF);
}

/** An id that was never given before. */
export function freshFrameId(now: number): string {
  const bytes = randomBytes(10);
  return `msg_${digitsOf(now, TIME_DIGITS)}${halfOf(bytes, 0)}${halfOf(bytes, 5)}`;
}

export class EventFrameIds {
  readonly #head: string;
  readonly #session: string;
  /** The head and the latest id, without its last two digits; and what they were made of. */
  #start = '';
  #timestamp = '';
  #high = -1;

  /**
   * @param role tells apart frames that are made of the same event
   * @param head what stands before each id
   */
  constructor(sessionId: string, role: string, head = '') {
    this.#head = head;
    this.#session = halfOf(createHash('sha256').update(`${role} ${sessionId}`).digest(), 0);
  }

  /** @param timestamp of the event, RFC 3339 */
  of(eventSeq: number, timestamp: string): string {
    const high = Math.floor(eventSeq / PAIRS.length);
    if (timestamp !== this.#timestamp || high !== this.#high) {
      this.#timestamp = timestamp;
      this.#high = high;
      const time = digitsOf(Math.max(0, Date.parse(timestamp)), TIME_DIGITS);
      this.#start = `${this.#head}msg_${time}${this.#session}${digitsOf(high, HALF - 2)}`;
    }
    return `${this.#start}${PAIRS[eventSeq % PAIRS.length] ?? ''}`;
  }
}
