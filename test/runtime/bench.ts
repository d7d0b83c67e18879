/** A runtime in memory with the principals `ada` and `bob` (whose tokens are their names), and raw clients for it. */
import type { RuntimeOptions } from '../../src/create-runtime.js';
import { bearerTokens } from '../../src/runtime/authenticator.js';
import { testRuntime, type TestRuntime } from '../../src/testing/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import { RawClient } from './raw-client.js';

export interface Bench extends TestRuntime {
  /** A connection without a session. */
  raw(): RawClient & { readonly wire: MemoryTransport };
  /** A session of this principal, or an anonymous one. */
  open(principal?: string, capabilities?: unknown): Promise<RawClient & { readonly wire: MemoryTransport }>;
}

export function bench(options: Omit<RuntimeOptions, 'clock'> = {}): Bench {
  const test = testRuntime({
    ...options,
    authenticators: [
      bearerTokens([
        ['ada', 'ada'],
        ['bob', 'bob'],
      ]),
      ...(options.authenticators ?? []),
    ],
  });
  const raw: Bench['raw'] = () => {
    const wire = test.dial();
    return Object.assign(new RawClient(wire), { wire });
  };
  return {
    ...test,
    raw,
    async open(principal = 'ada', capabilities) {
      const client = raw();
      await client.open(principal === 'nobody' ? undefined : principal, capabilities);
      return client;
    },
  };
}
