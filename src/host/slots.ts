/** So many at once; the others wait for their turn, in order. */
export class Slots {
  #free: number;
  #waiting: { readonly enter: () => void; readonly refuse: (error: Error) => void }[] = [];
  #idle: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  take(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free -= 1;
      return undefined;
    }
    return new Promise((enter, refuse) => this.#waiting.push({ enter, refuse }));
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.enter();
    if (this.#waiting.length > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Resolves once nobody waits. */
  idle(): Promise<void> {
    return this.#waiting.length === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Nobody gets a turn any more. */
  close(error: Error): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
