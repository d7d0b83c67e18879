/** What an agent outside of the runtime may say of its job, and what that does: each law of `conversation.ts`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STAGES, type AgentMessage } from '../../../src/agents/remote/stages.js';
import type { Client, Job } from '../../../src/client/index.js';
import { defineAgent, defineTool } from '../../../src/index.js';
import type { AnyEnvelope } from '../../../src/protocol/envelope.js';
import { MESSAGE_TYPES } from '../../../src/protocol/messages.js';
import { MINIMAL_PAYLOADS } from '../../protocol/minimal-payloads.js';
import { Puppet, type PuppetOptions } from './puppet-agent.js';

interface Scene extends AsyncDisposable {
  readonly puppet: Puppet;
  readonly client: Client;
  readonly job: Job;
  readonly invoke: Extract<AnyEnvelope, { type: 'tool.invoke' }>;
  /** Says something of the job. */
  say(type: string, payload?: unknown, extra?: Readonly<Record<string, unknown>>): string;
}

async function scene(
  options: PuppetOptions = {},
  invocation: Parameters<Client['invoke']>[2] = {},
  stage: 'invoked' | 'started' = 'started',
): Promise<Scene> {
  const puppet = new Puppet(options);
  const client = await puppet.connect();
  const job = await client.invoke('puppet', { n: 1 }, invocation);
  const invoke = await puppet.next('tool.invoke');
  const say: Scene['say'] = (type, payload = {}, extra = {}) =>
    puppet.say(type, payload, { job_id: job.id, correlation_id: invoke.id, ...extra });
  if (stage === 'started') say('job.started');
  return { puppet, client, job, invoke, say, [Symbol.asyncDispose]: () => puppet[Symbol.asyncDispose]() };
}

async function eventsOf(job: Job): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of job) types.push(type);
  return types;
}

const nacked = (code: string, message: RegExp | string = /./) => ({
  type: 'nack',
  payload: {
    code,
    message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
  },
});

describe('an agent outside of the runtime', () => {
  it('is told of its job as an agent in process is', async () => {
    await using at = await scene(
      {},
      { budget: ['USD:2.00'], leaseRequest: { 'fs.read': ['/data/**'], cost_budget: ['USD:2.00'] } },
    );
    expect(at.invoke).toMatchObject({
      job_id: at.job.id,
      payload: {
        tool: 'puppet@1.0.0',
        arguments: { n: 1 },
        lease_request: { 'fs.read': ['/data/**'], cost_budget: ['USD:2'] },
        profile: { role: 'general' },
        job: {
          agent: 'puppet@1.0.0',
          principal: 'ada',
          attempt: 1,
          heartbeat_interval_ms: 30_000,
          closed: true,
        },
      },
    });
    expect(at.invoke.trace_id).toBeTypeOf('string');
  });

  it('tells its work, and its end is the end of its job', async () => {
    await using at = await scene({}, {}, 'invoked');
    at.say('job.accepted', { job_id: at.job.id });
    at.say('job.started');
    at.say('job.progress', { percent: 50, message: 'half' });
    at.say('log', { level: 'info', message: 'reading' });
    at.say('metric', { name: 'files', value: 3, unit: '1' });
    at.say('job.heartbeat', { sequence: 0, state: 'running' });
    at.say('job.result_chunk', {
      result_id: 'res_1',
      chunk_seq: 0,
      data: 'hi',
      encoding: 'utf8',
      more: false,
    });
    at.say('job.completed', { result_id: 'res_1', summary: 'done' });
    const told = eventsOf(at.job);
    expect((await at.job.result()).result?.text()).toBe('hi');
    expect(await told).toEqual([
      'job.accepted',
      'job.started',
      'job.progress',
      'log',
      'metric',
      'job.heartbeat',
      'job.result_chunk',
      'job.completed',
    ]);
    expect(at.puppet.heard.map(({ type }) => type)).toEqual(['tool.invoke']);
  });

  it('may answer at once with a result, when it only computes', async () => {
    await using at = await scene({}, {}, 'invoked');
    at.say('tool.result', { value: 42 });
    expect((await at.job.result()).value).toBe(42);
  });

  it.each([
    ['job.failed', { code: 'NOT_FOUND', message: 'no such file' }, 'NOT_FOUND'],
    ['tool.error', { code: 'NOT_FOUND', message: 'no such file' }, 'NOT_FOUND'],
    ['job.cancelled', { reason: 'shutting down' }, 'CANCELLED'],
  ])('fails its job with %s', async (type, payload, code) => {
    await using at = await scene({}, {}, 'invoked');
    at.say(type, payload);
    await expect(at.job.result()).rejects.toMatchObject({ code });
  });

  it('may refuse its job with a nack of the invocation', async () => {
    await using at = await scene({}, {}, 'invoked');
    at.say('nack', { code: 'UNAVAILABLE', message: 'too busy' });
    await expect(at.job.result()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'too busy' });
  });
});

describe('what is refused', () => {
  it('changes nothing: no type outside of the table is heard (T2)', async () => {
    await using at = await scene();
    const others = MESSAGE_TYPES.filter(
      (type) =>
        !(type in STAGES) && !['ack', 'nack', 'pong', 'cancel.accepted', 'cancel.refused'].includes(type),
    );
    for (const type of others) {
      const id = at.say(type, MINIMAL_PAYLOADS[type]);
      expect(await at.puppet.answer(id)).toMatchObject(nacked('UNIMPLEMENTED'));
    }
    at.say('job.completed', { value: 'all the same' });
    expect((await at.job.result()).value).toBe('all the same');
    expect(await eventsOf(at.job)).toEqual(['job.accepted', 'job.started', 'job.completed']);
  });

  it('is each message at a stage at which it is not legal, and all of them after the end (T2, T3)', async () => {
    for (const [type, stages] of Object.entries(STAGES) as [AgentMessage, readonly string[]][]) {
      if (stages.includes('invoked')) continue;
      await using at = await scene({}, {}, 'invoked');
      const early = at.say(type, MINIMAL_PAYLOADS[type], { stream_id: 'str_1' });
      expect(await at.puppet.answer(early)).toMatchObject(nacked('FAILED_PRECONDITION', /first$/));
      at.say('tool.result', { value: 1 });
      await at.job.result();
      const late = at.say(type, MINIMAL_PAYLOADS[type], { stream_id: 'str_1' });
      expect(await at.puppet.answer(late)).toMatchObject(nacked('ABORTED', /not heard/));
    }
  });

  it('are heartbeats and chunks out of order, and charges that the budget does not cover; the right ones may follow', async () => {
    await using at = await scene({}, { budget: ['USD:1.00'] });
    at.say('job.heartbeat', { sequence: 5, state: 'running' });
    const stale = at.say('job.heartbeat', { sequence: 5, state: 'running' });
    expect(await at.puppet.answer(stale)).toMatchObject(
      nacked('OUT_OF_RANGE', 'sequence: expected more than 5, not 5'),
    );
    const dear = at.say('metric', { name: 'cost.search', value: 1.5, unit: 'USD' });
    expect(await at.puppet.answer(dear)).toMatchObject(nacked('BUDGET_EXHAUSTED'));
    const fair = at.say('metric', { name: 'cost.search', value: 0.3, unit: 'USD', amount: '0.30' });
    expect(await at.puppet.answer(fair)).toMatchObject({ type: 'ack' });
    const left = at.say('event.emit', { name: 'lease.remaining' });
    expect(await at.puppet.answer(left)).toMatchObject({
      type: 'event.emit',
      payload: { data: { USD: '0.7' } },
    });
    const spoof = at.say('metric', { name: 'cost.budget.remaining', value: 100, unit: 'USD' });
    expect(await at.puppet.answer(spoof)).toMatchObject(nacked('INVALID_ARGUMENT', /only the runtime/));
    at.say('job.completed', { value: null });
    await at.job.result();
  });

  it('is a job that was never given to it', async () => {
    await using at = await scene();
    const id = at.puppet.say('job.completed', { value: 'mine' }, { job_id: 'job_of_another' });
    expect(await at.puppet.answer(id)).toMatchObject(nacked('NOT_FOUND', /job_of_another was not given/));
    at.say('job.completed', { value: 'ours' });
    expect((await at.job.result()).value).toBe('ours');
  });

  it('is an attempt that is over, when the job goes on from a checkpoint (T1)', async () => {
    await using at = await scene({ recovery: 'resume' });
    const kept = await at.puppet.answer(
      at.say('job.checkpoint', { checkpoint_id: 'mine', data: { page: 3 } }),
    );
    const checkpointId = (kept.payload as { checkpoint_id: string }).checkpoint_id;
    await at.client.restore(checkpointId);
    const again = await at.puppet.next('tool.invoke');
    expect(again.payload.job).toMatchObject({
      attempt: 2,
      resumed_from: { checkpoint_id: checkpointId, data: { page: 3 } },
    });
    const late = at.say('job.completed', { value: 'first' });
    expect(await at.puppet.answer(late)).toMatchObject(nacked('ABORTED', /not that of attempt 2/));
    at.say('job.started', {}, { correlation_id: again.id });
    at.say('job.completed', { value: 'second' }, { correlation_id: again.id });
    expect((await at.job.result()).value).toBe('second');
  });

  it('leaves a job with one end, whatever its agent says in whatever order (T2, T3)', async () => {
    const types = Object.keys(STAGES) as AgentMessage[];
    const said = fc.array(fc.constantFrom(...types), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(said, async (frames) => {
        await using at = await scene({}, {}, 'invoked');
        const story = eventsOf(at.job);
        for (const type of frames)
          at.say(type, MINIMAL_PAYLOADS[type], {
            stream_id: 'str_1',
          });
        at.say('job.failed', { code: 'INTERNAL', message: 'enough' });
        await at.job.result().catch(() => undefined);
        const ends = (await story).filter((type) => /^job\.(completed|failed|cancelled)$/.test(type));
        expect(ends).toHaveLength(1);
      }),
      { numRuns: 40 },
    );
  });
});

describe('acts of an agent outside of the runtime', () => {
  it('are asked for: without a lease nothing guarded may be done, with one what it covers (decision 26)', async () => {
    const ask = { permission: 'fs.read', resource: '/data/a.txt', operation: 'read', check_only: true };
    await using bare = await scene();
    expect(await bare.puppet.answer(bare.say('permission.request', ask))).toMatchObject({
      type: 'permission.deny',
      payload: { code: 'PERMISSION_DENIED', resource: '/data/a.txt' },
    });
    await using leased = await scene({}, { leaseRequest: { 'fs.read': ['/data/**'] } });
    expect(await leased.puppet.answer(leased.say('permission.request', ask))).toMatchObject({
      type: 'permission.grant',
      payload: { permission: 'fs.read', resource: '/data/a.txt' },
    });
    const outside = leased.say('permission.request', { ...ask, resource: '/etc/passwd' });
    expect(await leased.puppet.answer(outside)).toMatchObject({ type: 'permission.deny' });
  });

  it('are delegated within the budget of the job, and the end of the child is told', async () => {
    const child = defineAgent({
      name: 'child',
      version: '1.0.0',
      run: async (input, ctx) => {
        await ctx.charge('cost.work', '0.40', 'USD');
        return { got: input as never };
      },
    });
    await using at = await scene(
      { agents: [child] },
      { leaseRequest: { 'agent.delegate': ['*'], cost_budget: ['USD:1.00'] } },
    );
    const id = at.say('agent.delegate', {
      target: 'child',
      task: 'do',
      context: { arguments: { x: 1 } },
      cost_budget: ['USD:0.50'],
    });
    const accepted = await at.puppet.answer(id);
    expect(accepted).toMatchObject({ type: 'job.accepted', payload: { parent_job_id: at.job.id } });
    const ended = await at.puppet.answer(id);
    expect(ended).toMatchObject({
      type: 'job.completed',
      job_id: (accepted.payload as { job_id: string }).job_id,
      payload: { value: { got: { x: 1 } } },
    });
    const left = await at.puppet.answer(at.say('event.emit', { name: 'lease.remaining' }));
    expect(left.payload).toMatchObject({ data: { USD: '0.6' } });
    const refused = at.say('agent.delegate', { target: 'child', task: 'do', cost_budget: ['USD:5.00'] });
    expect(await at.puppet.answer(refused)).toMatchObject(nacked('LEASE_SUBSET_VIOLATION'));
    at.say('job.completed', {});
    await at.job.result();
  });

  it('send what a child streamed when they are asked to', async () => {
    const child = defineAgent({
      name: 'child',
      version: '1.0.0',
      run: (_input, ctx) => {
        ctx.openResult().end('ä'.repeat(200_000));
      },
    });
    await using at = await scene({ agents: [child] }, { leaseRequest: { 'agent.delegate': ['*'] } });
    const id = at.say('agent.delegate', { target: 'child', task: 'do' });
    const { job_id: childId } = await at.puppet.answer(id);
    await at.puppet.answer(id);
    const asked = at.say('job.subscribe', { job_id: childId, history: true });
    expect(await at.puppet.answer(asked)).toMatchObject({ type: 'job.subscribed' });
    const pieces: Buffer[] = [];
    for (let more = true; more;) {
      const { payload } = await at.puppet.next('job.result_chunk');
      pieces.push(Buffer.from(payload.data, 'base64'));
      more = payload.more;
    }
    expect(Buffer.concat(pieces).toString()).toBe('ä'.repeat(200_000));
  });

  it('put and fetch artifacts, one of them as the result', async () => {
    await using at = await scene();
    const data = Buffer.from('hello').toString('base64');
    const put = at.say('artifact.put', { media_type: 'text/plain', data, is_result: true });
    const ref = (await at.puppet.answer(put)).payload as { artifact_id: string };
    const whole = await at.puppet.answer(at.say('artifact.fetch', { artifact_id: ref.artifact_id }));
    expect(whole).toMatchObject({ type: 'artifact.put', payload: { data, size: 5 } });
    const piece = at.say('artifact.fetch', { artifact_id: ref.artifact_id, offset: 1, limit: 2 });
    expect((await at.puppet.answer(piece)).payload).toMatchObject({ offset: 1, more: true, data: 'ZWw=' });
    const wrong = at.say('artifact.put', { media_type: 'text/plain', data, sha256: 'no' });
    expect(await at.puppet.answer(wrong)).toMatchObject(nacked('INVALID_ARGUMENT', /sha256/));
    at.say('job.completed', { result_ref: { ...ref } });
    const result = await at.job.result();
    expect(result.resultRef?.artifact_id).toBe(ref.artifact_id);
  });

  it('stream beside the result, and are told which chunk was wrong', async () => {
    await using at = await scene();
    const stream_id = 'str_notes';
    const opened = at.say('stream.open', { kind: 'text' }, { stream_id });
    expect(await at.puppet.answer(opened)).toMatchObject({ type: 'ack' });
    const wrong = at.say('stream.chunk', { sequence: 1, data: 'b' }, { stream_id });
    expect(await at.puppet.answer(wrong)).toMatchObject(nacked('OUT_OF_RANGE'));
    at.say('stream.chunk', { sequence: 0, data: 'a' }, { stream_id });
    at.say('stream.close', { final_sequence: 0 }, { stream_id });
    at.say('job.completed', {});
    expect(await eventsOf(at.job)).toEqual([
      'job.accepted',
      'job.started',
      'stream.open',
      'stream.chunk',
      'stream.close',
      'job.completed',
    ]);
  });

  it('read streams that clients open into the job, as fast as they acknowledge them', async () => {
    await using at = await scene({ takesInput: true });
    const opening = at.job.openInput({ kind: 'text' });
    const opened = await at.puppet.next('stream.open');
    const input = await opening;
    const about = { stream_id: opened.stream_id };
    at.say('ack', {}, { ...about, correlation_id: opened.id });
    void input.write('one');
    const first = await at.puppet.next('stream.chunk');
    expect(first.payload).toMatchObject({ sequence: 0, data: 'one' });
    at.say('ack', {}, { ...about, correlation_id: first.id });
    void input.end();
    expect((await at.puppet.next('stream.close')).stream_id).toBe(opened.stream_id);
    at.say('job.completed', {});
    await at.job.result();
  });

  it('ask people, and block their job meanwhile', async () => {
    await using at = await scene();
    const expires_at = new Date(at.puppet.test.clock.now() + 60_000).toISOString();
    const id = at.say('human.input.request', {
      prompt: 'Name?',
      response_schema: { type: 'string' },
      expires_at,
    });
    for await (const event of at.job) {
      if (event.type !== 'human.input.request') continue;
      for await (const question of at.client.questions()) await question.answer('Ada');
      break;
    }
    expect(await at.puppet.answer(id)).toMatchObject({
      type: 'human.input.response',
      payload: { value: 'Ada' },
    });
  });

  it('call tools of the runtime, and hear what they throw', async () => {
    const add = defineTool({ name: 'add', run: (args) => (args as { a: number }).a + 1 });
    await using at = await scene({ runtime: { tools: [add], unleased: { remote: 'everything' } } });
    expect(await at.puppet.answer(at.say('tool.invoke', { tool: 'add', arguments: { a: 2 } }))).toMatchObject(
      {
        type: 'tool.result',
        payload: { value: 3 },
      },
    );
    expect(await at.puppet.answer(at.say('tool.invoke', { tool: 'sub' }))).toMatchObject({
      type: 'tool.error',
      payload: { code: 'NOT_FOUND' },
    });
  });

  it('settle what they said: a ping within the job is answered when all of it is kept', async () => {
    await using at = await scene();
    at.say('job.progress', { percent: 1 });
    const id = at.say('ping', { nonce: 'n' });
    expect(await at.puppet.answer(id)).toMatchObject({ type: 'pong', payload: { nonce: 'n' } });
  });

  it('are bounded: what is too much at once is refused, and the rest goes on (T6)', async () => {
    await using at = await scene({ runtime: { limits: { maxRemoteActs: 4 } } });
    const expires_at = new Date(at.puppet.test.clock.now() + 60_000).toISOString();
    const ask = { prompt: 'a?', response_schema: {}, expires_at };
    for (let n = 0; n < 4; n += 1) at.say('human.input.request', ask);
    expect(await at.puppet.answer(at.say('human.input.request', ask))).toMatchObject(
      nacked('RESOURCE_EXHAUSTED'),
    );
    at.say('job.completed', { value: 1 });
    expect((await at.job.result()).value).toBe(1);
  });
});

describe('stopping an agent outside of the runtime', () => {
  it('asks it once, and takes its end (T4)', async () => {
    await using at = await scene();
    const cancelled = at.job.cancel({ reason: 'changed my mind' });
    expect((await at.puppet.next('cancel')).payload).toMatchObject({
      target: 'job',
      target_id: at.job.id,
      reason: 'changed my mind',
    });
    await cancelled;
    at.say('job.cancelled', { reason: 'stopped' });
    await expect(at.job.result()).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('does not wait longer than the deadline, and hears nothing after it (T4, T5)', async () => {
    await using at = await scene();
    await at.job.cancel({ deadlineMs: 1_000 });
    await at.puppet.next('cancel');
    await at.puppet.test.clock.advance(1_000);
    await expect(at.job.result()).rejects.toMatchObject({ code: 'ABORTED' });
    const late = at.say('job.progress', { percent: 1 });
    expect(await at.puppet.answer(late)).toMatchObject(nacked('ABORTED', /not heard/));
  });

  it('counts silence: two windows without a sign are the end (decisions 7 and 23)', async () => {
    await using at = await scene();
    await at.puppet.test.clock.advance(59_000);
    at.say('job.heartbeat', { sequence: 0, state: 'running' });
    await at.puppet.test.clock.advance(59_000);
    expect(at.puppet.conversations.size).toBe(1);
    await at.puppet.test.clock.advance(1_000);
    await expect(at.job.result()).rejects.toMatchObject({ code: 'HEARTBEAT_LOST' });
    expect((await at.puppet.next('cancel')).payload.reason).toMatch(/HEARTBEAT_LOST/);
  });
});
