/** Agents that ask, and people who answer, frame by frame. */
import { defineAgent, type AskOptions, type JobContext } from '../../../src/index.js';
import { OPT_IN } from '../../../src/protocol/extensions.js';
import type { FrameOf, RawClient } from '../raw-client.js';

/** What a client says that can take questions. */
export const CAN_ANSWER = { human_input: true, extensions: [OPT_IN.human] };

/** Asks once, and returns the answer. */
export function asker(prompt: string, options: AskOptions = {}, more: { recovery?: 'restart' } = {}) {
  return defineAgent({
    name: 'asker',
    version: '1.0.0',
    ...more,
    run: (_input, ctx) => ctx.ask(prompt, options),
  });
}

/** Does what the test says. */
export function doing(
  run: (ctx: JobContext, input: unknown) => unknown,
  more: { recovery?: 'restart'; heartbeat?: 'manual' } = {},
) {
  return defineAgent({ name: 'doing', version: '1.0.0', ...more, run: (input, ctx) => run(ctx, input) });
}

/** The next question of a type that the client is told of. */
export async function asked<T extends 'human.input.request' | 'human.choice.request' | 'permission.request'>(
  client: RawClient,
  type: T,
): Promise<FrameOf<T>> {
  return client.next(type);
}

const BY_THE_CLIENT = { responded_by: 'somebody else', responded_at: '2020-01-01T00:00:00Z' };

/** Sends an answer; returns its message's id. */
export function answer(client: RawClient, questionId: string, value: unknown): string {
  return client.send('human.input.response', { value, ...BY_THE_CLIENT }, { correlation_id: questionId });
}

export function choose(client: RawClient, questionId: string, choice_id: string): string {
  return client.send(
    'human.choice.response',
    { choice_id, ...BY_THE_CLIENT },
    { correlation_id: questionId },
  );
}

export function decline(client: RawClient, questionId: string, code = 'CANCELLED'): string {
  return client.send('human.input.cancelled', { code, message: '' }, { correlation_id: questionId });
}

/** What the runtime says to a message: taken, or why not. */
export async function verdict(client: RawClient, id: string): Promise<string> {
  const said = await client.said(id);
  return said.type === 'ack' ? 'ack' : said.payload.code;
}
