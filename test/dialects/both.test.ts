/** Both dialects on one socket server, on the same jobs (law L5): what one begins, the other lists, watches and stops. */
import { describe, expect, it } from 'vitest';
import { bearerTokens, createRuntime, defineAgent, listen, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { DRAFT_FEATURES } from '../../src/protocol/draft/features.js';
import type { AnyDraftEnvelope } from '../../src/protocol/draft/envelope.js';
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { RawClient } from '../runtime/raw-client.js';
import { DraftClient } from './draft-client.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

/** Says something of every kind that an agent can say, when it is told to, and waits to be stopped. */
function teller() {
  const contexts: JobContext[] = [];
  const agent = defineAgent({
    name: 'teller',
    version: '1.0.0',
    run: (_input, ctx) => {
      contexts.push(ctx);
      return untilAborted(ctx.signal);
    },
  });
  const tell = async (): Promise<void> => {
    const [ctx] = contexts;
    if (ctx === undefined) throw new Error('nobody runs');
    ctx.log('warn', 'careful');
    ctx.progress({ current: 1, total: 2, units: 'steps' });
    ctx.metric('latency', 2, { unit: 'ms' });
    await ctx.charge('cost.search', '0.25', 'USD');
    const child = await ctx.delegate('echo', { arguments: { n: 1 } });
    await child.outcome;
  };
  return { agent, tell };
}

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });
const writer = defineAgent({
  name: 'writer',
  version: '1.0.0',
  run: (_input, ctx) => {
    ctx.openResult({ encoding: 'base64' }).end(Buffer.from('some bytes'));
  },
});

async function start() {
  const { agent, tell } = teller();
  const runtime = createRuntime({
    agents: [agent, echo, writer],
    authenticators: [
      bearerTokens([
        ['ada', 'ada'],
        ['bob', 'bob'],
      ]),
    ],
  });
  const server = await listen(runtime, { port: 0 });
  return {
    tell,
    url: server.url,
    async classic(): Promise<RawClient> {
      const client = new RawClient(await dialWebSocket(server.url));
      await client.open('ada');
      return client;
    },
    async draft(token = 'ada'): Promise<DraftClient> {
      const client = new DraftClient(await dialWebSocket(server.url));
      await client.hello(token, DRAFT_FEATURES);
      return client;
    },
    /** The first answer to the first frame of a connection. */
    async answerTo(frame: string): Promise<unknown> {
      const transport = await dialWebSocket(server.url);
      return new Promise((resolve) => {
        transport.start({
          message: (answer) => {
            resolve(JSON.parse(answer));
            transport.close(1000, 'done');
          },
          closed: resolve,
        });
        transport.send(frame);
      });
    },
    async [Symbol.asyncDispose]() {
      await runtime.close();
      await server.close();
    },
  };
}

/** What a native event must be in the other dialect: its type and kind, its time, its job, and what it says. */
function inDraft(event: AnyEnvelope): object {
  const head = { job_id: event.job_id, event_seq: event.event_seq, trace_id: event.trace_id };
  const asKind = (kind: string, body: object) => ({
    ...head,
    type: 'job.event',
    payload: { kind, ts: event.timestamp, body },
  });
  switch (event.type) {
    case 'job.accepted':
      return asKind('status', { phase: 'pending' });
    case 'job.started':
      return asKind('status', { phase: 'running' });
    case 'job.progress':
      return asKind('progress', event.payload);
    case 'log':
      return asKind('log', event.payload);
    case 'metric':
      return asKind('metric', event.payload);
    case 'job.result_chunk':
      return asKind('result_chunk', event.payload);
    // A classic client that has not asked for `agent.delegate` gets it as an emitted event.
    case 'event.emit': {
      const { target, delegate_id, context } = event.payload.data as {
        target: string;
        delegate_id: string;
        context: { arguments: unknown };
      };
      return asKind('delegate', { agent: target, delegate_id, input: context.arguments });
    }
    case 'job.completed': {
      const { value, ...rest } = event.payload;
      const payload = { final_status: 'success', ...rest, ...(value === undefined ? {} : { result: value }) };
      return { ...head, type: 'job.result', payload: { ...payload, completed_at: event.timestamp } };
    }
    case 'job.cancelled':
      return {
        ...head,
        type: 'job.error',
        payload: { final_status: 'cancelled', code: 'CANCELLED', message: event.payload.reason },
      };
    default:
      throw new Error(`not thought of: ${event.type}`);
  }
}

function expectSame(classic: readonly AnyEnvelope[], draft: readonly AnyDraftEnvelope[]): void {
  expect(draft.map(({ event_seq }) => event_seq)).toEqual(classic.map(({ event_seq }) => event_seq));
  for (const [index, event] of classic.entries()) {
    expect(draft[index]).toMatchObject(JSON.parse(JSON.stringify(inDraft(event))) as object);
  }
}

describe('one job, watched by a classic and a draft session at once', () => {
  it('begun in classic: both are told the same events under the same numbers', async () => {
    await using test = await start();
    const classic = await test.classic();
    const draft = await test.draft();
    const jobId = await classic.accepted(
      'teller',
      {},
      { trace_id: TRACE, payload: { cost_budget: ['USD:1'] } },
    );
    await classic.next('job.started');
    draft.send('session.list_jobs', { filter: { status: ['running'] } });
    expect((await draft.next('session.jobs')).payload.jobs).toMatchObject([
      {
        job_id: jobId,
        status: 'running',
        lease: { 'cost.budget': ['USD:1'] },
        trace_id: TRACE,
        last_event_seq: 2,
      },
    ]);
    draft.send('job.subscribe', { job_id: jobId, history: true, from_event_seq: 0 });
    expect((await draft.next('job.subscribed')).payload).toMatchObject({
      budget: { USD: 1 },
      replayed: true,
    });
    await test.tell();
    draft.send('job.cancel', { reason: 'seen enough' }, { job_id: jobId });
    await Promise.all([classic.terminal(jobId), draft.terminal(jobId)]);
    expect(classic.events().length).toBeGreaterThan(10);
    expectSame(classic.events(), draft.events());
    expect(draft.seen('job.cancelled')).toMatchObject([{ job_id: jobId }]);
  });

  it('begun in the draft: both are told the same events under the same numbers', async () => {
    await using test = await start();
    const draft = await test.draft();
    const classic = await test.classic();
    const jobId = await draft.accepted('teller', {}, { lease_request: { 'cost.budget': ['USD:1'] } });
    classic.send('job.subscribe', { job_id: jobId, history: true, from_event_seq: 0 });
    expect(await classic.next('job.subscribed')).toMatchObject({ payload: { agent: 'teller@1.0.0' } });
    classic.send('session.list_jobs', {});
    expect((await classic.next('session.jobs')).payload.jobs).toMatchObject([{ job_id: jobId }]);
    await test.tell();
    const cancelId = classic.send('cancel', { target: 'job', target_id: jobId, reason: 'seen enough' });
    await Promise.all([classic.terminal(jobId), draft.terminal(jobId)]);
    expect(await classic.next('cancel.accepted')).toMatchObject({ correlation_id: cancelId });
    expect(classic.events().length).toBeGreaterThan(10);
    expectSame(classic.events(), draft.events());
  });

  it('a streamed result is the same pieces in both', async () => {
    await using test = await start();
    const classic = await test.classic();
    const draft = await test.draft();
    const jobId = await classic.accepted('writer', {}, { trace_id: TRACE });
    await classic.terminal(jobId);
    draft.send('job.subscribe', { job_id: jobId, history: true });
    await draft.terminal(jobId);
    expectSame(classic.events(), draft.events());
  });
});

describe('a job of one dialect', () => {
  it('is delegated to from the other: its children are told of in the words of whoever asked for it', async () => {
    await using test = await start();
    const draft = await test.draft();
    const classic = await test.classic();
    const parent = await draft.accepted('teller');
    await draft.next('job.event', ({ payload }) => JSON.stringify(payload.body).includes('running'));
    classic.send(
      'agent.delegate',
      { target: 'echo', task: 't', context: { arguments: 1 } },
      { job_id: parent },
    );
    const child = await classic.next('job.accepted');
    await classic.terminal(child.payload.job_id);
    expect((await draft.next('job.accepted')).payload).toMatchObject({
      job_id: child.payload.job_id,
      parent_job_id: parent,
      agent: 'echo@1.0.0',
    });
    expect((await draft.terminal(child.payload.job_id)).payload).toMatchObject({ result: 1 });

    const other = await classic.accepted('teller');
    await classic.next('job.started', ({ job_id }) => job_id === other);
    const id = draft.submit('echo', { n: 2 }, { parent_job_id: other });
    const accepted = await draft.next('job.accepted', ({ payload }) => payload.request_id === id);
    expect(accepted.payload).toMatchObject({ parent_job_id: other, agent: 'echo@1.0.0' });
    expect((await draft.terminal(accepted.payload.job_id)).payload).toMatchObject({ result: { n: 2 } });
    expect(await classic.terminal(accepted.payload.job_id)).toMatchObject({ payload: { value: { n: 2 } } });
  });

  it('that is no parent for the draft’s submission refuses it with a job.error', async () => {
    await using test = await start();
    const draft = await test.draft();
    const bob = await test.draft('bob');
    const parent = await draft.accepted('teller');
    for (const [client, job, code] of [
      [bob, parent, 'PERMISSION_DENIED'],
      [draft, 'job_x', 'JOB_NOT_FOUND'],
      [draft, 'x', 'JOB_NOT_FOUND'],
    ] as const) {
      const id = client.submit('echo', {}, { parent_job_id: job }, { trace_id: TRACE });
      expect(await client.next('job.error')).toMatchObject({
        trace_id: TRACE,
        payload: { code, details: { request_id: id } },
      });
    }
  });

  it('is the same job under the same key in the other', async () => {
    await using test = await start();
    const classic = await test.classic();
    const draft = await test.draft();
    const jobId = await classic.accepted('echo', { n: 1 }, { idempotency_key: 'k' });
    await classic.terminal(jobId);
    expect(await draft.accepted('echo', { n: 1 }, { idempotency_key: 'k' })).toBe(jobId);
    expect((await draft.terminal(jobId)).payload).toMatchObject({ result: { n: 1 } });
  });

  it('with a trace id of any form has one that every draft peer takes', async () => {
    await using test = await start();
    const classic = await test.classic();
    const draft = await test.draft();
    const jobId = await classic.accepted('echo', {}, { trace_id: 'a "free" trace\n' });
    await classic.terminal(jobId);
    draft.send('job.subscribe', { job_id: jobId, history: true });
    const { payload } = await draft.next('job.subscribed');
    expect(payload.trace_id).toMatch(/^[0-9a-f]{32}$/);
    const end = await draft.terminal(jobId);
    expect(end.trace_id).toBe(payload.trace_id);
  });
});

describe('the first frames of a connection', () => {
  it('that begin no session leave the choice open', async () => {
    await using test = await start();
    const client = new DraftClient(await dialWebSocket(test.url));
    client.transport.send(
      '{"arcp":"1.1","id":"msg_1","type":"ping","timestamp":"2026-01-01T00:00:00Z","payload":{}}',
    );
    await client.hello();
    await client.terminal(await client.accepted('echo'));
    const classic = new RawClient(await dialWebSocket(test.url));
    classic.sendText('{"arcp":"1.1","id":"m1","type":"job.submit","payload":{"agent":"echo"}}');
    await classic.open('ada');
    await classic.terminal(await classic.accepted('echo'));
    expect(classic.frames[0]?.type).toBe('session.accepted');
  });

  it.each([
    ['text that is no JSON', 'hello?', 'nack'],
    ['a type that nobody knows', '{"id":"msg_1","type":"dance"}', 'nack'],
    ['a hello without its payload', '{"arcp":"1.1","id":"m1","type":"session.hello"}', 'session.error'],
    [
      'an open without its payload',
      '{"arcp":"1.1","id":"msg_1","type":"session.open","timestamp":"2026-01-01T00:00:00Z"}',
      'session.rejected',
    ],
    [
      'a resume of nothing, without a time',
      '{"arcp":"1.1","id":"m1","type":"session.resume","payload":{"resume_token":"rt_x.y","last_event_seq":0}}',
      'session.error',
    ],
    [
      'a resume of nothing, with a time',
      '{"arcp":"1.1","id":"msg_1","type":"session.resume","timestamp":"2026-01-01T00:00:00Z","payload":{"resume_token":"rt_x.y","last_event_seq":0}}',
      'session.rejected',
    ],
  ])('%s is answered in the dialect that it looks like', async (_what, frame, type) => {
    await using test = await start();
    expect(await test.answerTo(frame)).toMatchObject({ type });
  });
});
