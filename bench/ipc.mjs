/** Questions and answers between the benchmark's processes, one at a time each. */

/**
 * Answers what the parent asks. An error is handed back, not thrown here.
 * @param {Readonly<Record<string, (argument: unknown) => unknown>>} methods
 */
export function answer(methods) {
  process.on('message', (message) => {
    const { method, argument } = /** @type {{ method: string; argument: unknown }} */ (message);
    Promise.resolve(argument)
      .then(methods[method])
      .then(
        (result) => process.send?.({ result }),
        (/** @type {unknown} */ error) => process.send?.({ error: String(error) }),
      );
  });
  process.on('disconnect', () => process.exit());
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} method
 * @param {unknown} [argument]
 * @returns {Promise<unknown>}
 */
export function ask(child, method, argument) {
  return new Promise((resolve, reject) => {
    const onExit = () => {
      reject(new Error(`the process ended while it was asked to ${method}`));
    };
    child.once('exit', onExit);
    child.once('message', (/** @type {{ result?: unknown; error?: string }} */ { result, error }) => {
      child.off('exit', onExit);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    });
    child.send({ method, argument });
  });
}

/** Processor time of this process since it was last asked, in microseconds. */
export function cpuMeter() {
  let last = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    return user + system;
  };
}

/**
 * @param {string} text
 * @returns {unknown}
 */
export function parseJson(text) {
  return JSON.parse(text);
}

/** Bytes in use after a collection; the process needs `--expose-gc`. */
export async function heapInUse() {
  // What the latest turns have dropped is let go of.
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
