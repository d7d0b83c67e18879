/** Ten broken frames down one real socket, each with its answer, while a job on another session runs through undisturbed (L6). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anonymous, createRuntime, defineAgent, listen, type Runtime, type Server } from '../../src/index.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { RawClient } from './raw-client.js';

let runtime: Runtime;
let server: Server;

/** Tells its client a line for every step that the test takes. */
const steps: (() => void)[] = [];
const steady = defineAgent({
  name: 'steady',
  version: '1.0.0',
  run: async (_in, ctx) => {
    for (let step = 0; step < 11; step += 1) {
      await new Promise<void>((resolve) => steps.push(resolve));
      ctx.progress({ current: step, total: 10 });
    }
    return 'undisturbed';
  },
});

beforeAll(async () => {
  runtime = createRuntime({ agents: [steady], authenticators: [anonymous()] });
  server = await listen(runtime, { port: 0 });
});

afterAll(async () => {
  await server.close();
  await runtime.close();
});

async function client(): Promise<RawClient> {
  const raw = new RawClient(await dialWebSocket(server.url));
  await raw.open();
  return raw;
}

function envelope(fields: Record<string, unknown>): string {
  return JSON.stringify({ arcp: '1.1', timestamp: '2026-01-01T00:00:00Z', payload: {}, ...fields });
}

const BROKEN: [what: string, frame: string, answer: object][] = [
  [
    'not JSON',
    '{"arcp":',
    {
      type: 'nack',
      payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('not JSON') as string },
    },
  ],
  [
    'no type',
    envelope({ id: 'msg_2' }),
    {
      type: 'nack',
      correlation_id: 'msg_2',
      payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('type') as string },
    },
  ],
  [
    'an unknown type',
    envelope({ id: 'msg_3', type: 'job.frobnicate' }),
    { type: 'nack', correlation_id: 'msg_3', payload: { code: 'UNIMPLEMENTED' } },
  ],
  [
    'a wrong payload',
    envelope({ id: 'msg_4', type: 'tool.invoke', payload: { tool: 7 } }),
    {
      type: 'nack',
      correlation_id: 'msg_4',
      payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('payload.tool') as string },
    },
  ],
  [
    'a lone surrogate',
    envelope({ id: 'msg_5', type: 'tool.invoke', payload: { tool: '\ud800' } }),
    {
      type: 'nack',
      correlation_id: 'msg_5',
      payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('surrogate') as string },
    },
  ],
  [
    '__proto__ as an id',
    envelope({ id: '__proto__', type: 'ping' }),
    { type: 'nack', payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('id') as string } },
  ],
  [
    'an illegal cancel',
    envelope({ id: 'msg_7', type: 'cancel', payload: { target: 'job', target_id: '__proto__' } }),
    { type: 'cancel.refused', correlation_id: 'msg_7', payload: { reason: 'not_found' } },
  ],
  [
    'a number beyond 2^53',
    envelope({
      id: 'msg_8',
      type: 'cancel',
      payload: { target: 'job', target_id: 'job_1', deadline_ms: 2 ** 60 },
    }),
    {
      type: 'nack',
      correlation_id: 'msg_8',
      payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('deadline_ms') as string },
    },
  ],
  [
    '20,000 nested brackets',
    `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    {
      type: 'nack',
      payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('nests deeper') as string },
    },
  ],
];

describe('ten broken frames', () => {
  it('are answered one by one; only the oversize one closes its socket, with 1009; a job elsewhere runs through', async () => {
    const other = await client();
    const jobId = await other.accepted('steady');
    await other.next('job.started');
    const step = async (): Promise<void> => {
      steps.shift()?.();
      await other.next('job.progress');
    };
    const bad = await client();
    for (const [what, frame, answer] of BROKEN) {
      const before = bad.frames.length;
      bad.sendText(frame);
      const type = (answer as { type: 'nack' | 'cancel.refused' }).type;
      expect(await bad.next(type), what).toMatchObject(answer);
      expect(bad.frames, what).toHaveLength(before + 1);
      await step();
    }
    bad.send('ping', {});
    await bad.next('pong');
    bad.sendText(
      envelope({
        id: 'msg_10',
        type: 'tool.invoke',
        payload: { tool: 'steady', arguments: 'x'.repeat(2_097_152) },
      }),
    );
    expect(await bad.closed()).toMatchObject({
      code: 1009,
      reason: expect.stringContaining('1572864') as string,
    });
    await step();
    steps.shift()?.();
    expect(await other.terminal(jobId)).toMatchObject({
      type: 'job.completed',
      payload: { value: 'undisturbed' },
    });
    expect(other.seen('job.progress')).toHaveLength(11);
    const again = new RawClient(await dialWebSocket(server.url));
    await again.resume(bad.resumeToken, 0);
  });
});
