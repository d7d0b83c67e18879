/** An agent that does not look at a promise misses its refusal; that must not take the process or the thread down. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** The same for each step of an iterator. */
export function handledSteps<T>(steps: AsyncGenerator<T, undefined>): AsyncIterableIterator<T, undefined> {
  return {
    next: () => handled(steps.next()),
    return: () => handled(steps.return(undefined)),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
