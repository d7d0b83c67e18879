/**
 * Up to which commit each principal's events may be missing. At the limit the principals whose latest loss is the
 * longest ago are lumped together: for them more counts as missing than is (law L7).
 */
const MAX_PRINCIPALS = 10_000;

export class ForgottenEvents {
  readonly #byPrincipal = new Map<string, number>();
  #ofTheRest = 0;

  note(principal: string, position: number): void {
    const before = this.upTo(principal);
    this.#byPrincipal.delete(principal);
    this.#byPrincipal.set(principal, Math.max(before, position));
    if (this.#byPrincipal.size <= MAX_PRINCIPALS) return;
    for (const [oldest, last] of this.#byPrincipal) {
      this.#byPrincipal.delete(oldest);
      this.#ofTheRest = Math.max(this.#ofTheRest, last);
      return;
    }
  }

  /** Nobody's events up to here are sure to be kept. */
  noteAll(position: number): void {
    this.#ofTheRest = position;
  }

  upTo(principal: string): number {
    return this.#byPrincipal.get(principal) ?? this.#ofTheRest;
  }
}
