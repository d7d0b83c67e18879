/** Sessions that host agents, message by message, on a runtime in memory whose clock only the test moves. */
import type { Client } from '../../../src/client/index.js';
import type { RuntimeOptions } from '../../../src/create-runtime.js';
import type { AnyEnvelope } from '../../../src/protocol/envelope.js';
import { testRuntime, type TestRuntime } from '../../../src/testing/index.js';
import type { MemoryTransport } from '../../../src/transport/memory.js';
import { RawClient, type FrameOf } from '../raw-client.js';

export const HOST = 'arcpx.arcp.host.v1';

export interface Advertised {
  readonly name: string;
  readonly versions: readonly string[];
  readonly [field: string]: unknown;
}

export class Host extends RawClient {
  readonly line: MemoryTransport;

  constructor(transport: MemoryTransport) {
    super(transport);
    this.line = transport;
  }

  async offer(agents: readonly (Advertised | string)[], extensions = [HOST], principal = 'worker') {
    return this.open(principal, { agents, extensions });
  }

  /** The next job that it is given, and a way to speak of it. */
  async job(): Promise<GivenJob> {
    const invoke = await this.next('tool.invoke');
    const about = { job_id: invoke.job_id, correlation_id: invoke.id };
    return {
      invoke,
      id: invoke.job_id ?? '',
      say: (type, payload = {}, extra = {}) => this.send(type, payload, { ...about, ...extra }),
    };
  }
}

export interface GivenJob {
  readonly invoke: FrameOf<'tool.invoke'>;
  readonly id: string;
  say(type: string, payload?: unknown, extra?: Readonly<Record<string, unknown>>): string;
}

export interface HostingScene extends AsyncDisposable {
  readonly test: TestRuntime;
  readonly client: Client;
  host(): Host;
}

export async function hostingScene(options: Omit<RuntimeOptions, 'clock'> = {}): Promise<HostingScene> {
  const test = testRuntime({ hosts: ['worker'], ...options });
  // So that its name is a token.
  await (await test.connect({ principal: 'worker' })).close();
  const client = await test.connect({ principal: 'ada' });
  return {
    test,
    client,
    host: () => new Host(test.dial()),
    [Symbol.asyncDispose]: () => test.close(),
  };
}

export function agent(name: string, more: Readonly<Record<string, unknown>> = {}): Advertised {
  return { name, versions: ['1.0.0'], ...more };
}

export function codeOf(frame: AnyEnvelope): string | undefined {
  return 'code' in frame.payload ? String(frame.payload.code) : undefined;
}
