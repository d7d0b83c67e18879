/** The latest ids of a session's commands, to drop those that are sent again (RFC 0001 §6.4). */
export class RememberedIds {
  readonly #ids = new Set<string>();
  /** A ring of the same ids: what is overwritten is the oldest. */
  readonly #ring: string[] = [];
  readonly #limit: number;
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** False when it is remembered already. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    const oldest = this.#ring[this.#next];
    if (oldest !== undefined) this.#ids.delete(oldest);
    this.#ring[this.#next] = id;
    this.#next = (this.#next + 1) % this.#limit;
    return true;
  }
}
