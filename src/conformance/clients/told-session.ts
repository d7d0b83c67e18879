/**
 * The session of a client as the runtime of a case keeps it: numbers, what was told under them, and the token to resume by.
 *
 * (H1) Law L3: it outlives its connections; what happens while there is none is told by the resume.
 * (H2) A token dies with the first frame on the connection that it has resumed, so that the one before counts until then
 *      (decision 12).
 */
import { randomBytes } from 'node:crypto';
import type { JsonMap } from '../scenarios/matcher.js';

/** Events that a session keeps; a case tells fewer. */
const MAX_TOLD = 200_000;

export class ToldSession {
  readonly id = `sess_${randomBytes(9).toString('hex')}`;
  token = newToken();
  #previous: string | undefined;
  readonly #told: { readonly seq: number; readonly text: string }[] = [];
  #seq = 0;

  /** The frame with its session and its number, as text; kept for resumes. */
  numbered(frame: JsonMap): string {
    if (this.#told.length >= MAX_TOLD) throw new Error('a case tells more than it can be about');
    this.#seq += 1;
    const text = JSON.stringify({ ...frame, session_id: this.id, event_seq: this.#seq });
    this.#told.push({ seq: this.#seq, text });
    return text;
  }

  latest(count: number): readonly string[] {
    return this.#told.slice(-count).map(({ text }) => text);
  }

  after(seq: number): readonly string[] {
    return this.#told.filter((one) => one.seq > seq).map(({ text }) => text);
  }

  get last(): number {
    return this.#seq;
  }

  /** (H2) */
  accepts(token: unknown): boolean {
    return token === this.token || (this.#previous !== undefined && token === this.#previous);
  }

  rotate(): void {
    this.#previous = this.token;
    this.token = newToken();
  }

  /** The client has shown that it has the token. */
  confirm(): void {
    this.#previous = undefined;
  }
}

function newToken(): string {
  return `rt_${randomBytes(18).toString('base64url')}`;
}
