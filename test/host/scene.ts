/** A runtime in memory that lets `worker` host, a client of it, and hosts whose connections the test can cut. */
import { afterEach } from 'vitest';
import type { Client } from '../../src/client/index.js';
import { host, type Host, type HostOptions, type JobChange } from '../../src/host/index.js';
import { defineAgent, type Agent, type JobContext, type RuntimeOptions } from '../../src/index.js';
import { testRuntime, type TestRuntime } from '../../src/testing/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';

export interface HostScene {
  readonly test: TestRuntime;
  readonly client: Client;
  /** The connections of the hosts, the latest last. */
  readonly lines: MemoryTransport[];
  readonly changes: JobChange[];
  host(agents: readonly Agent[], options?: Partial<HostOptions>): Promise<Host>;
}

let open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.reverse()) await one.close();
  open = [];
});

export async function hostScene(options: Omit<RuntimeOptions, 'clock'> = {}): Promise<HostScene> {
  const test = testRuntime({ hosts: ['worker'], unleased: { remote: 'everything' }, ...options });
  open.push(test);
  await (await test.connect({ principal: 'worker' })).close();
  const lines: MemoryTransport[] = [];
  const changes: JobChange[] = [];
  return {
    test,
    client: await test.connect({ principal: 'ada' }),
    lines,
    changes,
    async host(agents, more = {}) {
      const worker = await host('memory:', {
        token: 'worker',
        agents,
        clock: test.clock,
        random: () => 0.5,
        onJob: (change) => changes.push(change),
        dial: () => {
          const line = test.dial();
          lines.push(line);
          return Promise.resolve(line);
        },
        ...more,
      });
      open.push({ close: () => worker.close({ drainMs: 0 }) });
      return worker;
    },
  };
}

export type Run = (input: never, ctx: JobContext) => unknown;

export function agentThere(run: Run, more: Partial<Parameters<typeof defineAgent>[0]> = {}): Agent {
  return defineAgent({ name: 'there', version: '1.0.0', run: run as never, ...more } as never);
}
