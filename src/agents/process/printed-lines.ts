/**
 * What a process prints beside the conversation, as lines for its job's log: its stderr, and what it writes to stdout that
 * is no message.
 *
 * (G1) Bounded (L7): a longer line is cut, and of a flood what is beyond `LINES_PER_SECOND` is counted and left out; the
 *      next line that is told says how many were.
 * (G2) What it printed last is kept, for when it crashes.
 */
import type { Clock } from '../../clock.js';

/** Bytes of one line. */
export const MAX_LINE_BYTES = 4_096;
/** Lines that are told in a burst, and then in a second. */
export const LINES_PER_SECOND = 100;
/** Bytes of what was printed last. */
export const MAX_LAST_BYTES = 1_024;

const LF = 0x0a;

/** Lets through what a rate allows. */
export class LineRate {
  readonly #clock: Clock;
  #left = LINES_PER_SECOND;
  #since: number;
  #skipped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** How many lines were left out before this one; nothing where it has to be left out itself. */
  take(): number | undefined {
    const now = this.#clock.now();
    const gained = (Math.max(0, now - this.#since) * LINES_PER_SECOND) / 1_000;
    this.#left = Math.min(LINES_PER_SECOND, this.#left + gained);
    this.#since = now;
    if (this.#left < 1) {
      this.#skipped += 1;
      return undefined;
    }
    this.#left -= 1;
    const skipped = this.#skipped;
    this.#skipped = 0;
    return skipped;
  }
}

export class PrintedLines {
  readonly #tell: (line: string) => void;
  #rate: LineRate;
  readonly #clock: Clock;
  #line = Buffer.alloc(0);
  #isCut = false;
  #last = Buffer.alloc(0);

  /** @param tell is called for each line */
  constructor(clock: Clock, tell: (line: string) => void) {
    this.#clock = clock;
    this.#rate = new LineRate(clock);
    this.#tell = tell;
  }

  /** A piece of stderr, cut anywhere. */
  push(piece: Buffer): void {
    this.#last = Buffer.concat([this.#last, piece.subarray(-MAX_LAST_BYTES)]).subarray(-MAX_LAST_BYTES);
    let start = 0;
    for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, start)) {
      this.#keep(piece.subarray(start, end));
      this.#finish();
      start = end + 1;
    }
    this.#keep(piece.subarray(start));
  }

  /** A line of its own. */
  say(line: string): void {
    const skipped = this.#rate.take();
    if (skipped === undefined) return;
    this.#tell(skipped === 0 ? line : `(${skipped} lines were left out) ${line}`);
  }

  /** The end of the output, or of the job that it was for: what was begun is told, and what was said is forgotten. */
  flush(): void {
    if (this.#line.length > 0) this.#finish();
  }

  /** For the next job: its log begins anew, and it learns nothing of the one before. */
  reset(): void {
    this.#line = Buffer.alloc(0);
    this.#isCut = false;
    this.#last = Buffer.alloc(0);
    this.#rate = new LineRate(this.#clock);
  }

  /** What was printed last, as text in one line. */
  get last(): string {
    const text = this.#last.toString('utf8').replaceAll('\uFFFD', '').trim();
    return text.replaceAll(/\s*\n\s*/g, ' | ');
  }

  #keep(piece: Buffer): void {
    const room = MAX_LINE_BYTES - this.#line.length;
    if (piece.length > room) this.#isCut = true;
    if (room > 0 && piece.length > 0) this.#line = Buffer.concat([this.#line, piece.subarray(0, room)]);
  }

  #finish(): void {
    const text = this.#line.toString('utf8').trimEnd();
    const line = this.#isCut ? `${text}…` : text;
    this.#line = Buffer.alloc(0);
    this.#isCut = false;
    if (line !== '') this.say(line);
  }
}
