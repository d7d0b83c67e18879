/** An agent that does not look at a promise misses its refusal; that must not take the process or the thread down. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
