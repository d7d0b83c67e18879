/** A runtime in memory, for those who write agents: no port, no files, and a clock that the test moves. */
import type { Client, ConnectOptions } from '../client/index.js';
import { connect } from '../client/index.js';
import { createRuntime, type Runtime, type RuntimeOptions } from '../create-runtime.js';
import { anonymous, bearerTokens } from '../runtime/authenticator.js';
import { memoryPair, type MemoryTransport } from '../transport/memory.js';
import { FakeClock } from './fake-clock.js';

export interface TestRuntime extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly clock: FakeClock;
  /** Opens a session: anonymous, or as `principal`. Several calls are several sessions. */
  connect(options?: TestConnectOptions): Promise<Client>;
  /** A bare connection, for tests that speak the protocol themselves. */
  dial(): MemoryTransport;
  close(): Promise<void>;
}

export interface TestConnectOptions extends Omit<ConnectOptions, 'dial' | 'clock' | 'token'> {
  readonly principal?: string;
  /** Told of each connection that the client makes, so that a test can break it. */
  readonly onDial?: (transport: MemoryTransport) => void;
}

/**
 * Starts a runtime with these agents.
 *
 * @example
 * ```ts
 * const test = testRuntime({ agents: [greeter] });
 * const client = await test.connect();
 * const job = await client.invoke('greeter', { name: 'Ada' });
 * (await job.result()).value; // 'Hello, Ada'
 * await test.close();
 * ```
 */
export function testRuntime(options: Omit<RuntimeOptions, 'clock'> = {}): TestRuntime {
  const clock = new FakeClock();
  /** A principal's token is its name: only this runtime knows it. */
  const tokens = new Map<string, string>();
  const runtime = createRuntime({
    ...options,
    clock,
    authenticators: [
      anonymous(),
      { scheme: 'bearer', authenticate: (given) => bearerTokens(tokens).authenticate(given) },
      ...(options.authenticators ?? []),
    ],
  });
  const clients = new Set<Client>();
  const dial = (): MemoryTransport => {
    const [ours, theirs] = memoryPair({ maxFrameBytes: runtime.limits.maxFrameBytes });
    runtime.accept(ours, { address: 'memory' });
    return theirs;
  };
  const close = async (): Promise<void> => {
    await Promise.all([...clients].map((client) => client.close()));
    await runtime.close();
  };
  return {
    runtime,
    clock,
    dial,
    close,
    async connect({ principal, onDial, ...rest } = {}) {
      if (principal !== undefined) tokens.set(principal, principal);
      const client = await connect('memory:', {
        ...rest,
        ...(principal === undefined ? {} : { token: principal }),
        clock,
        dial: () => {
          const transport = dial();
          onDial?.(transport);
          return Promise.resolve(transport);
        },
      });
      clients.add(client);
      return client;
    },
    [Symbol.asyncDispose]: close,
  };
}
