/** `workflow.start` and `workflow.complete`: agents that compose others (RFC 0001 §26, decision 17). */
import { afterEach, describe, expect, it } from 'vitest';
import { defineAgent, type JobContext, type RuntimeOptions } from '../../src/index.js';
import { conformanceAgents } from '../../src/conformance/agents/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { DraftClient } from '../dialects/draft-client.js';
import { bench } from './bench.js';
import { DATA, lives, type Lives } from './lives.js';
import type { RawClient } from './raw-client.js';

const workflowNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', kind: 'workflow', run: (input, ctx) => run(ctx, input) });

const twice = workflowNamed('twice', async (ctx, input) => {
  const one = await (await ctx.delegate('echo', { arguments: input })).outcome;
  const other = await (await ctx.delegate('echo', { arguments: input })).outcome;
  return [one.status, other.status, input];
});
const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });
const boss = defineAgent({
  name: 'boss',
  version: '1.0.0',
  run: async (_input, ctx) => (await (await ctx.delegate('twice', { arguments: 1 })).outcome).status,
});
const forever = workflowNamed('forever', (ctx) => untilAborted(ctx.signal));

const OPTED_IN = { extensions: ['arcpx.arcp.workflow.v1'] };

async function start(
  client: RawClient,
  workflow: string,
  args?: unknown,
  extra: { readonly payload?: object } & Readonly<Record<string, unknown>> = {},
) {
  const { payload, ...envelope } = extra;
  const id = client.send('workflow.start', { workflow, arguments: args, ...payload }, envelope);
  return (await client.next('job.accepted', (frame) => frame.correlation_id === id)).payload.job_id;
}

/** The types of a job's own events, without those that it tells of its children. */
function plainStory(client: RawClient, jobId: string): string[] {
  return client.story(jobId).filter((type) => type !== 'agent.delegate' && type !== 'event.emit');
}

describe('workflow.start', () => {
  it('starts a workflow by name, opts the session in, and ends with workflow.complete before its terminal', async () => {
    await using test = bench({ agents: [twice, echo] });
    const client = await test.open();
    const jobId = await start(client, 'twice', { n: 1 }, { trace_id: 'trace' });
    const value = ['completed', 'completed', { n: 1 }];
    const completed = await client.terminal(jobId);
    expect(completed).toMatchObject({ type: 'job.completed', payload: { value } });
    expect(plainStory(client, jobId)).toEqual([
      'job.accepted',
      'job.started',
      'workflow.complete',
      'job.completed',
    ]);
    const [complete] = client.seen('workflow.complete');
    expect(complete).toMatchObject({
      job_id: jobId,
      trace_id: 'trace',
      correlation_id: completed.correlation_id,
      event_seq: (completed.event_seq ?? 0) - 1,
      payload: { value },
    });
  });

  it('without arguments gives it an object with nothing in it, as tool.invoke does', async () => {
    await using test = bench({ agents: [workflowNamed('show', (_ctx, input) => input)] });
    const client = await test.open();
    const ended = await client.terminal(await start(client, 'show@1.0.0'));
    expect(ended.payload).toEqual({ value: {} });
  });

  it.each([
    ['an ordinary agent', 'echo', 'AGENT_NOT_AVAILABLE'],
    ['an unknown one', 'nobody', 'AGENT_NOT_AVAILABLE'],
    ['an unknown version', 'twice@9', 'AGENT_VERSION_NOT_AVAILABLE'],
  ])('of %s is accepted, and fails for good (decision 2)', async (_what, workflow, code) => {
    await using test = bench({ agents: [twice, echo] });
    const client = await test.open();
    const jobId = await start(client, workflow);
    expect(await client.terminal(jobId)).toMatchObject({
      type: 'job.failed',
      payload: { code, retryable: false },
    });
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.failed']);
  });

  it('of a malformed reference or budget is refused without an accept (decision 2)', async () => {
    await using test = bench({ agents: [twice] });
    const client = await test.open();
    const ids = [
      client.send('workflow.start', { workflow: 'Bad@' }),
      client.send('workflow.start', { workflow: 'twice', cost_budget: ['much'] }),
    ];
    for (const id of ids)
      expect(await client.answerTo(id)).toMatchObject({
        type: 'job.failed',
        payload: { code: 'INVALID_ARGUMENT' },
      });
    expect(client.seen('job.accepted')).toEqual([]);
  });

  it('gives a job with a lease and a budget, which a cancel ends without workflow.complete', async () => {
    await using test = bench({ agents: [forever] });
    const client = await test.open();
    const id = client.send('workflow.start', {
      workflow: 'forever',
      lease_request: { cost_budget: ['USD:1'] },
    });
    const { payload } = await client.next('job.accepted', (frame) => frame.correlation_id === id);
    expect(payload.lease).toEqual({ cost_budget: ['USD:1'] });
    await client.next('job.started');
    client.send('cancel', { target: 'job', target_id: payload.job_id });
    await client.next('cancel.accepted');
    expect((await client.terminal(payload.job_id)).type).toBe('job.cancelled');
    expect(client.seen('workflow.complete')).toEqual([]);
  });

  it('under a key is the same job again, whose story has one workflow.complete (decision 11)', async () => {
    await using test = bench({ agents: [twice, echo] });
    const [client, other] = [await test.open(), await test.open('ada', OPTED_IN)];
    const jobId = await start(client, 'twice', 1, { idempotency_key: 'k' });
    await client.terminal(jobId);
    expect(await start(other, 'twice', 1, { idempotency_key: 'k' })).toBe(jobId);
    await other.terminal(jobId);
    expect(other.seen('workflow.complete')).toHaveLength(1);
    // What only says tool.invoke is another request.
    const id = other.invoke('twice', 1, { idempotency_key: 'k' });
    expect(await other.answerTo(id)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'DUPLICATE_KEY' },
    });
  });

  it('is repeated with its workflow.complete also when its log is forgotten', async () => {
    await using test = bench({ agents: [twice, echo], limits: { maxFinishedJobs: 1 } });
    const client = await test.open();
    const jobId = await start(client, 'twice', 1, { idempotency_key: 'k' });
    await client.terminal(jobId);
    await client.terminal(await client.accepted('echo'));
    await client.terminal(await client.accepted('echo'));
    await test.clock.advance(1_000);
    const other = await test.open();
    await start(other, 'twice', 1, { idempotency_key: 'k' });
    await other.terminal(jobId);
    expect(other.story(jobId)).toEqual(['job.accepted', 'workflow.complete', 'job.completed']);
  });
});

describe('a workflow', () => {
  it('that is invoked as a tool ends with workflow.complete, in an event.emit for those who did not ask for it', async () => {
    await using test = bench({ agents: [twice, echo] });
    const [plain, opted] = [await test.open(), await test.open('ada', OPTED_IN)];
    const value = ['completed', 'completed', 1];
    const jobId = await plain.accepted('twice', 1);
    const ended = await plain.terminal(jobId);
    const [emitted] = plain.seen(
      (frame) => frame.type === 'event.emit' && frame.payload.name === 'workflow.complete',
    );
    expect(emitted).toMatchObject({ event_seq: (ended.event_seq ?? 0) - 1, payload: { data: { value } } });
    await opted.terminal(await opted.accepted('twice', 1));
    expect(opted.seen('workflow.complete')).toMatchObject([{ payload: { value } }]);
  });

  it('that is delegated to tells its parent’s watchers', async () => {
    await using test = bench({ agents: [boss, twice, echo] });
    const client = await test.open('ada', OPTED_IN);
    const jobId = await client.accepted('boss');
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'completed' } });
    const [complete] = client.seen('workflow.complete');
    expect(complete?.job_id).not.toBe(jobId);
  });

  it('that streams its result says so in workflow.complete', async () => {
    const streams = workflowNamed('streams', (ctx) => {
      ctx.openResult().end('text');
    });
    await using test = bench({ agents: [streams] });
    const client = await test.open();
    const ended = await client.terminal(await start(client, 'streams'));
    expect(ended.payload).toMatchObject({ result_size: 4 });
    expect(client.seen('workflow.complete')).toMatchObject([{ payload: ended.payload }]);
  });

  it.each([
    ['too large to be told twice in one event', 'x'.repeat(800_000), 'RESOURCE_EXHAUSTED'],
    ['too deep for that', JSON.parse(`${'['.repeat(126)}${']'.repeat(126)}`) as unknown, 'INVALID_ARGUMENT'],
  ])('whose value is %s fails, as others do whose value fits no event', async (_what, value, code) => {
    await using test = bench({ agents: [workflowNamed('large', () => value)] });
    const client = await test.open();
    const jobId = await client.accepted('large');
    expect(await client.terminal(jobId)).toMatchObject({ type: 'job.failed', payload: { code } });
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started', 'job.failed']);
  });

  it('is a status of its job in draft-1.1, whose job.result has the value (L5)', async () => {
    await using test = bench({ agents: [twice, echo] });
    const client = new DraftClient(test.dial());
    await client.hello('ada');
    client.send('job.submit', { agent: 'twice', input: 1 });
    const { payload } = await client.next('job.accepted');
    const result = await client.next('job.result', ({ job_id }) => job_id === payload.job_id);
    const bodies = client.frames.filter((frame) => frame.type === 'job.event').map((frame) => frame.payload);
    expect(bodies).toContainEqual(
      expect.objectContaining({ kind: 'status', body: { phase: 'workflow_complete' } }),
    );
    expect(result.payload.result).toEqual(['completed', 'completed', 1]);
  });

  it('can be scheduled by workflow.start; what is none then fails', async () => {
    await using test = bench({ agents: [twice, echo] });
    const client = await test.open('ada', OPTED_IN);
    for (const workflow of ['twice', 'echo']) {
      const job = { type: 'workflow.start', payload: { workflow, inputs: { n: 2 } } };
      expect((await client.said(client.send('job.schedule', { job, when: { after: 60 } }))).type).toBe('ack');
    }
    await test.clock.advance(60_000);
    const ends = await Promise.all(
      client.seen('job.accepted').map(({ job_id }) => client.terminal(job_id ?? '')),
    );
    const value = ['completed', 'completed', { n: 2 }];
    expect(ends.map(({ payload }) => payload)).toContainEqual({ value });
    expect(ends.map(({ payload }) => payload)).toContainEqual(
      expect.objectContaining({ code: 'AGENT_NOT_AVAILABLE' }),
    );
  });
});

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, after the process was killed', (_name, make) => {
  it('a workflow goes on where it was: no step is done twice, and it completes once (L1, L2)', async () => {
    const done: number[] = [];
    let second = 0;
    const step = defineAgent({
      name: 'step',
      version: '1.0.0',
      recovery: 'restart',
      run: async (input) => {
        const { n } = input as { n: number };
        if (n === 2 && (second += 1) === 1) await new Promise(() => undefined);
        done.push(n);
        return n;
      },
    });
    const options: RuntimeOptions = { agents: [...conformanceAgents(), step] };
    const all = (current = lives(make(), options));
    const client = await (await all.next()).open('ada', OPTED_IN);
    const steps = [1, 2, 3].map((n) => ({ target: 'step', arguments: { n } }));
    const jobId = await start(client, 'sequence', { steps });
    await client.next('job.started', (frame) => frame.event_seq !== undefined && second === 1);
    const next = await all.next();
    const resumed = next.raw();
    await resumed.resume(client.resumeToken, 0);
    await next.clock.advance(10_000);
    expect(await resumed.terminal(jobId)).toMatchObject({
      type: 'job.completed',
      payload: { value: [1, 2, 3] },
    });
    expect(done).toEqual([1, 2, 3]);
    expect(resumed.seen('workflow.complete')).toHaveLength(1);
    // A third life replays what the second said.
    const last = (await all.next()).raw();
    await last.resume(resumed.resumeToken, 0);
    await last.terminal(jobId);
    expect(last.seen('workflow.complete')).toEqual(resumed.seen('workflow.complete'));
  });
});
