/**
 * Streams that a client sends to although they are not open. It is told so once; what was on its way and what follows is
 * dropped for a while, so that a stream of chunks is not answered by a stream of refusals (RFC 0001 §11).
 */

/** How long nothing more is said about a stream, in milliseconds. */
const SILENCE_MS = 60_000;
/** Streams of one session that nothing more is said about; beyond it the oldest are complained of again. */
const MAX_STRAYS = 256;

export class StrayStreams {
  readonly #until = new Map<string, number>();

  /** Whether there is something to say about the stream; if so, there will not be for a while. */
  isNews(streamId: string, now: number): boolean {
    const until = this.#until.get(streamId);
    if (until !== undefined && until > now) return false;
    this.#until.delete(streamId);
    this.#until.set(streamId, now + SILENCE_MS);
    if (this.#until.size > MAX_STRAYS) {
      const [oldest] = this.#until.keys();
      if (oldest !== undefined) this.#until.delete(oldest);
    }
    return true;
  }
}
