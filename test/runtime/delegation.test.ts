/** Delegation (decisions 4, 5, 17, 26; R4): a child is a job of its own, within the authority of its parent and its life. */
import { describe, expect, it } from 'vitest';
import {
  ArcpError,
  defineAgent,
  type ChildOutcome,
  type DelegateOptions,
  type JobContext,
} from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

const OPT_IN = { extensions: ['arcpx.arcp.delegate.v1'] };

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

const echo = agentNamed('echo', (_ctx, input) => input);
const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));

/** Delegates as its arguments say and returns the outcome. */
const boss = agentNamed('boss', async (ctx, input) => {
  const { target, ...options } = input as DelegateOptions & { target: string };
  const child = await ctx.delegate(target, options);
  const outcome: ChildOutcome = await child.outcome;
  return { jobId: child.jobId, outcome };
});

describe('a child of an agent', () => {
  it('tells its events to the session of its parent, with its lineage and never with the command of its parent (decision 4)', async () => {
    await using test = bench({ agents: [boss, echo] });
    const client = await test.open('ada', OPT_IN);
    const invoke = client.invoke(
      'boss',
      { target: 'echo', arguments: 7, task: 'repeat' },
      { trace_id: 't1' },
    );
    const parentId = (await client.next('job.accepted')).payload.job_id;
    const terminal = await client.terminal(parentId);
    const { jobId } = (terminal.payload as { value: { jobId: string } }).value;
    const delegate = await client.next('agent.delegate');
    expect(delegate).toMatchObject({
      job_id: parentId,
      correlation_id: invoke,
      payload: { target: 'echo', task: 'repeat', context: { arguments: 7 } },
    });
    const events = client.seen((frame) => frame.job_id === jobId);
    expect(events.map(({ type }) => type)).toEqual(['job.accepted', 'job.started', 'job.completed']);
    for (const event of events) {
      expect(event).toMatchObject({ causation_id: delegate.id, trace_id: 't1' });
      expect(event.correlation_id).toBeUndefined();
    }
    expect(events[0]?.payload).toMatchObject({
      parent_job_id: parentId,
      delegate_id: delegate.payload.delegate_id,
      agent: 'echo@1.0.0',
    });
    expect(client.events().map(({ event_seq }) => event_seq)).toEqual(
      client.events().map((_, index) => index + 1),
    );
    const order = client.events();
    expect(order.indexOf(delegate)).toBeLessThan(order.indexOf(events[0] ?? delegate));
  });

  it('is announced as event.emit of the same name and number to a session that cannot read the type (decision 17)', async () => {
    await using test = bench({ agents: [boss, echo] });
    const [plain, opted] = [await test.open('ada'), await test.open('ada', OPT_IN)];
    for (const client of [plain, opted]) {
      await client.terminal(await client.accepted('boss', { target: 'echo', arguments: 7 }));
    }
    expect(plain.seen('agent.delegate')).toEqual([]);
    const [emitted] = plain.seen('event.emit');
    const [typed] = opted.seen('agent.delegate');
    expect(emitted).toMatchObject({
      event_seq: typed?.event_seq,
      payload: { name: 'agent.delegate', data: { target: 'echo', context: { arguments: 7 } } },
    });
  });

  it.each<[string, object, unknown]>([
    ['the arguments that are given', { arguments: [1], task: 't' }, [1]],
    ['null, where that is given', { arguments: null, task: 't' }, null],
    ['context.arguments, where given', { context: { arguments: 'c' } }, 'c'],
    ['else the task and the context', { task: 't', context: { a: 1 } }, { task: 't', context: { a: 1 } }],
    ['else the task', { task: 't' }, { task: 't' }],
  ])('gets %s (decision 5)', async (_what, options, expected) => {
    await using test = bench({ agents: [boss, echo] });
    const client = await test.open();
    const terminal = await client.terminal(await client.accepted('boss', { target: 'echo', ...options }));
    expect(terminal.payload).toMatchObject({ value: { outcome: { status: 'completed', value: expected } } });
  });

  it('ends as a value for its parent: completed, failed or cancelled; it never throws', async () => {
    const failing = agentNamed('failing', () => Promise.reject(new ArcpError('UNAVAILABLE', 'not today')));
    const summing = agentNamed('summing', (ctx) => {
      ctx.summarize('in short');
      return { when: new Date(0), dropped: undefined, f: () => 1 };
    });
    const canceller = agentNamed('canceller', async (ctx) => {
      const child = await ctx.delegate('forever');
      child.cancel('no need');
      return child.outcome;
    });
    await using test = bench({ agents: [boss, failing, forever, canceller, summing] });
    const client = await test.open();
    const ran = async (name: string, input: unknown = {}) =>
      ((await client.terminal(await client.accepted(name, input))).payload as { value: unknown }).value;
    expect(await ran('boss', { target: 'failing' })).toMatchObject({
      outcome: { status: 'failed', code: 'UNAVAILABLE', message: 'not today', retryable: true },
    });
    expect(await ran('boss', { target: 'summing' })).toMatchObject({
      outcome: { status: 'completed', value: { when: '1970-01-01T00:00:00.000Z' }, summary: 'in short' },
    });
    expect(await ran('boss', { target: 'nobody' })).toMatchObject({
      outcome: { code: 'AGENT_NOT_AVAILABLE' },
    });
    expect(await ran('canceller')).toEqual({ status: 'cancelled', reason: 'no need' });
  });

  it('hands its streamed result over, as bytes or as text', async () => {
    const streamer = agentNamed('streamer', async (ctx) => {
      const stream = ctx.openResult({ chunkBytes: 4 });
      for (const part of ['grü', 'ße']) await new Promise((resolve) => stream.write(part, resolve));
      stream.end();
    });
    const reader = agentNamed('reader', async (ctx) => {
      const outcome = await (await ctx.delegate('streamer')).outcome;
      if (outcome.status !== 'completed' || outcome.result === undefined) return outcome;
      return [outcome.result.size, await outcome.result.text(), [...(await outcome.result.bytes())].length];
    });
    await using test = bench({ agents: [streamer, reader] });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('reader'))).toMatchObject({
      payload: { value: [7, 'grüße', 7] },
    });
  });

  it('is cancelled by the signal of its delegation, and one that is aborted already starts none', async () => {
    const aborter = agentNamed('aborter', async (ctx) => {
      const controller = new AbortController();
      const child = await ctx.delegate('forever', { signal: controller.signal });
      controller.abort();
      const never = await ctx.delegate('forever', { signal: controller.signal }).catch(() => 'not started');
      return [(await child.outcome).status, never];
    });
    await using test = bench({ agents: [aborter, forever] });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('aborter'))).toMatchObject({
      payload: { value: ['cancelled', 'not started'] },
    });
    expect(client.seen('job.accepted')).toHaveLength(2);
  });

  it('works for the same principal, at the same priority, and for the same heartbeat interval', async () => {
    const who = agentNamed('who', (ctx) => [ctx.principal, ctx.parentJobId]);
    await using test = bench({ agents: [boss, who] });
    const client = await test.open('bob');
    const parentId = await client.accepted('boss', { target: 'who' });
    expect(await client.terminal(parentId)).toMatchObject({
      payload: { value: { outcome: { value: ['bob', parentId] } } },
    });
  });
});

describe('a delegation that is refused does not kill its parent', () => {
  it.each<[string, object, string]>([
    ['a malformed target', { target: 'Bad@' }, 'INVALID_ARGUMENT'],
    ['a budget that is none', { target: 'echo', budget: ['USD'] }, 'INVALID_ARGUMENT'],
    ['more than the parent has', { target: 'echo', budget: ['USD:2'] }, 'LEASE_SUBSET_VIOLATION'],
    ['a task with a lone surrogate', { target: 'echo', task: '\ud800' }, 'INVALID_ARGUMENT'],
    ['arguments larger than a frame', { target: 'echo', size: 800_000 }, 'RESOURCE_EXHAUSTED'],
    ['arguments nested deeper than peers read', { target: 'echo', depth: 126 }, 'INVALID_ARGUMENT'],
  ])('%s', async (_what, input, code) => {
    const trier = agentNamed('trier', async (ctx, given) => {
      const {
        target,
        size = 0,
        depth = 0,
        ...options
      } = given as DelegateOptions & { target: string; size?: number; depth?: number };
      let args: unknown = 'x'.repeat(size);
      for (let level = 0; level < depth; level += 1) args = [args];
      return ctx
        .delegate(target, { ...options, arguments: args })
        .catch((error: unknown) => (error as ArcpError).code);
    });
    await using test = bench({ agents: [trier, echo] });
    const client = await test.open();
    const jobId = await client.accepted('trier', input, { payload: { cost_budget: ['USD:1'] } });
    expect(await client.terminal(jobId)).toMatchObject({ type: 'job.completed', payload: { value: code } });
    expect(client.seen('job.accepted')).toHaveLength(1);
  });

  it('depth beyond its limit is PERMISSION_DENIED, for all generations to see', async () => {
    const digger = agentNamed('digger', async (ctx, input): Promise<unknown> => {
      try {
        const outcome = await (await ctx.delegate('digger', { arguments: (input as number) + 1 })).outcome;
        return outcome.status === 'completed' ? outcome.value : outcome;
      } catch (error) {
        return [input, (error as ArcpError).code];
      }
    });
    await using test = bench({ agents: [digger], limits: { maxDelegationDepth: 3 } });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('digger', 0))).toMatchObject({
      payload: { value: [3, 'PERMISSION_DENIED'] },
    });
  });

  it('a tree beyond its limit is RESOURCE_EXHAUSTED, and room comes back when children end (L7)', async () => {
    const planter = agentNamed('planter', async (ctx) => {
      const outcomes: string[] = [];
      const plant = (): Promise<unknown> =>
        ctx.delegate('forever').catch((error: unknown) => (error as ArcpError).code);
      const first = await ctx.delegate('forever');
      for (let n = 0; n < 3; n += 1) outcomes.push(String(await plant()));
      first.cancel();
      await first.outcome;
      outcomes.push(String(await plant()));
      return outcomes;
    });
    await using test = bench({ agents: [planter, forever], limits: { maxLiveJobsPerTree: 3 } });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('planter'))).toMatchObject({
      payload: { value: ['[object Object]', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', '[object Object]'] },
    });
  });
});

it('a child shares no object with its parent', async () => {
  const given = { list: [1] };
  const child = defineAgent({
    name: 'changes',
    version: '1.0.0',
    run: (input) => {
      (input as typeof given).list.push(2);
    },
  });
  const parent = defineAgent({
    name: 'trusts',
    version: '1.0.0',
    run: async (_in, ctx) => {
      await (
        await ctx.delegate('changes', { arguments: given })
      ).outcome;
      return given;
    },
  });
  await using test = bench({ agents: [parent, child] });
  const client = await test.open();
  expect(await client.terminal(await client.accepted('trusts'))).toMatchObject({
    payload: { value: { list: [1] } },
  });
});
