/**
 * An agent outside of the runtime that does what the test says, message by message: the runtime and its jobs are real, and so
 * is the conversation. Whatever the runtime says is read by the language's own decoder.
 */
import { expect } from 'vitest';
import type { Agent, RecoveryPolicy } from '../../../src/agents/agent.js';
import { Conversations } from '../../../src/agents/remote/conversations.js';
import type { AgentLink, ToAgent } from '../../../src/agents/remote/link.js';
import type { Client } from '../../../src/client/index.js';
import { defineAgent } from '../../../src/index.js';
import { decodeFrame, type AnyEnvelope } from '../../../src/protocol/envelope.js';
import type { MessageType } from '../../../src/protocol/messages.js';
import { testRuntime, type TestRuntime } from '../../../src/testing/index.js';
import type { RuntimeOptions } from '../../../src/create-runtime.js';

type Of<T extends MessageType> = Extract<AnyEnvelope, { type: T }>;

export interface PuppetOptions {
  readonly recovery?: RecoveryPolicy;
  readonly takesInput?: boolean;
  readonly runtime?: Omit<RuntimeOptions, 'clock' | 'agents'>;
  readonly agents?: readonly Agent[];
}

export class Puppet implements AsyncDisposable {
  readonly test: TestRuntime;
  readonly heard: AnyEnvelope[] = [];
  readonly conversations: Conversations;
  #taken = new Set<AnyEnvelope>();
  #wake: (() => void)[] = [];
  #messages = 0;

  constructor({ recovery = 'fail', takesInput = false, runtime, agents = [] }: PuppetOptions = {}) {
    const link: AgentLink = {
      send: (message) => this.#arrived(message),
      ready: () => Promise.resolve(),
      now: () => this.test.clock.now(),
    };
    const agent: Agent = {
      ...defineAgent({
        name: 'puppet',
        version: '1.0.0',
        heartbeat: 'manual',
        recovery,
        takesInput,
        run: () => 0,
      }),
      remote: true,
      run: (input, ctx) => this.conversations.begin(input, ctx, takesInput).outcome,
    };
    this.test = testRuntime({ ...runtime, agents: [agent, ...agents] });
    this.conversations = new Conversations(link, this.test.runtime.limits);
  }

  connect(): Promise<Client> {
    return this.test.connect({ principal: 'ada' });
  }

  /** Says something, as the agent; returns the message's id. */
  say(type: string, payload: unknown, extra: Readonly<Record<string, unknown>> = {}): string {
    this.#messages += 1;
    const id = `msg_p${this.#messages}`;
    const text = JSON.stringify({
      arcp: '1.1',
      id,
      type,
      timestamp: '2026-01-01T00:00:00Z',
      payload,
      ...extra,
    });
    const decoded = decodeFrame(text);
    if (!decoded.ok) throw new Error(decoded.refusal.message);
    expect(this.conversations.receive(decoded.envelope, text.length)).toBe(true);
    return id;
  }

  /** Takes the next message of the runtime of this type. */
  async next<T extends MessageType>(type: T): Promise<Of<T>> {
    return (await this.#eventually((one) => one.type === type, type)) as Of<T>;
  }

  /** Takes what answers the message with this id. */
  answer(id: string): Promise<AnyEnvelope> {
    return this.#eventually((one) => one.correlation_id === id, `an answer to ${id}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.test.close();
  }

  #arrived(message: ToAgent): `msg_${string}` {
    this.#messages += 1;
    const id = `msg_r${this.#messages}` as const;
    const { type, payload, jobId, correlationId, streamId, traceId } = message;
    const text = JSON.stringify({
      arcp: '1.1',
      id,
      type,
      timestamp: '2026-01-01T00:00:00Z',
      job_id: jobId,
      correlation_id: correlationId,
      stream_id: streamId,
      trace_id: traceId,
      payload,
    });
    const decoded = decodeFrame(text);
    if (!decoded.ok)
      throw new Error(`the runtime said what is not ARCP: ${decoded.refusal.message}: ${text}`);
    this.heard.push(decoded.envelope);
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
    return id;
  }

  async #eventually(matches: (one: AnyEnvelope) => boolean, what: string): Promise<AnyEnvelope> {
    const patience = { over: false };
    const timer = setTimeout(() => {
      patience.over = true;
      for (const one of this.#wake) one();
    }, 5_000);
    try {
      for (;;) {
        const found = this.heard.find((one) => !this.#taken.has(one) && matches(one));
        if (found !== undefined) {
          this.#taken.add(found);
          return found;
        }
        if (patience.over)
          throw new Error(`${what} did not come, but ${JSON.stringify(this.heard.slice(-5))}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
