/** Waiting for something that others bring about: whoever changes anything says so, and everybody who waits looks again. */
export class Changes {
  #waiting: (() => void)[] = [];

  announce(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** What `look` finds, as soon as it finds something; nothing when it does not within `ms`. */
  async until<T>(look: () => T | undefined, ms: number): Promise<T | undefined> {
    const patience = { over: false };
    const timer = setTimeout(() => {
      patience.over = true;
      this.announce();
    }, ms);
    try {
      for (;;) {
        const found = look();
        if (found !== undefined || patience.over) return found;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
