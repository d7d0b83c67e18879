/** `agent.delegate` as a client sends it (decision 5). */
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

const echo = agentNamed('echo', (_ctx, input) => input);
const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));
const boss = agentNamed('boss', async (ctx, input) => {
  const { target } = input as { target: string };
  return (await (await ctx.delegate(target)).outcome).status;
});

describe('agent.delegate from a client (decision 5)', () => {
  it('is answered with job.accepted, correlated, and opts the session in', async () => {
    await using test = bench({ agents: [boss, echo] });
    const client = await test.open();
    const id = client.send('agent.delegate', {
      target: 'echo',
      task: 'say',
      context: { arguments: 'hi', trace_id: 't9' },
    });
    const accepted = await client.next('job.accepted');
    expect(accepted).toMatchObject({ correlation_id: id, trace_id: 't9', payload: { delegate_id: id } });
    expect(await client.terminal(accepted.payload.job_id)).toMatchObject({
      correlation_id: id,
      payload: { value: 'hi' },
    });
    await client.terminal(await client.accepted('boss', { target: 'echo' }));
    expect(client.seen('agent.delegate')).toHaveLength(1);
  });

  it('with a job_id makes a child of that job: reserved out of its budget, told to its watchers, ended with it', async () => {
    await using test = bench({ agents: [forever] });
    const [owner, other] = [await test.open(), await test.open()];
    const parentId = await owner.accepted(
      'forever',
      {},
      { payload: { cost_budget: ['USD:3'] }, trace_id: 'tp' },
    );
    const send = (budget: string) =>
      other.send(
        'agent.delegate',
        { target: 'forever', task: 't', cost_budget: [budget] },
        { job_id: parentId },
      );
    const id = send('USD:2');
    const accepted = await other.next('job.accepted');
    expect(accepted).toMatchObject({
      correlation_id: id,
      trace_id: 'tp',
      payload: { parent_job_id: parentId },
    });
    const greedy = send('USD:2');
    expect(await other.next('job.failed')).toMatchObject({
      correlation_id: greedy,
      payload: { code: 'LEASE_SUBSET_VIOLATION' },
    });
    expect(owner.story(accepted.payload.job_id)).toEqual(['job.accepted', 'job.started']);
    expect(accepted.payload).toMatchObject({ root_job_id: parentId, depth: 1 });
    const announced = { target: 'forever', task: 't', delegate_id: id };
    expect(owner.seen('agent.delegate')).toEqual([]);
    expect(owner.seen('event.emit')).toMatchObject([
      { job_id: parentId, payload: { name: 'agent.delegate', data: announced } },
    ]);
    expect(other.seen('agent.delegate')).toEqual([]);
    owner.send('cancel', { target: 'job', target_id: parentId });
    expect((await other.terminal(accepted.payload.job_id)).type).toBe('job.cancelled');
    expect((await owner.terminal(parentId)).type).toBe('job.cancelled');
  });

  it('is a nack NOT_FOUND, PERMISSION_DENIED or FAILED_PRECONDITION when that job is not to be had', async () => {
    await using test = bench({ agents: [echo, forever] });
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    const mine = await ada.accepted('forever');
    const over = await bob.accepted('echo');
    await bob.terminal(over);
    for (const [job_id, code] of [
      ['job_none', 'NOT_FOUND'],
      [mine, 'PERMISSION_DENIED'],
      [over, 'FAILED_PRECONDITION'],
    ]) {
      const id = bob.send('agent.delegate', { target: 'echo', task: 't' }, { job_id });
      expect(await bob.next('nack')).toMatchObject({ correlation_id: id, payload: { code } });
    }
  });

  it('that its launch budget does not cover is refused, and who heard of it hears of that', async () => {
    await using test = bench({ agents: [forever] });
    const [owner, other] = [await test.open(), await test.open()];
    const job_id = await owner.accepted('forever', {}, { payload: { cost_budget: ['launches:1'] } });
    const send = () => other.send('agent.delegate', { target: 'forever', task: 't' }, { job_id });
    send();
    await other.next('job.accepted');
    const refused = send();
    expect(await other.next('job.failed')).toMatchObject({
      correlation_id: refused,
      payload: { code: 'BUDGET_EXHAUSTED' },
    });
    await test.clock.settle();
    expect(owner.seen('event.emit').slice(-2)).toMatchObject([
      { job_id, payload: { name: 'agent.delegate', data: { delegate_id: refused } } },
      {
        job_id,
        payload: {
          name: 'agent.delegate.refused',
          data: { delegate_id: refused, target: 'forever', code: 'BUDGET_EXHAUSTED' },
        },
      },
    ]);
    expect(owner.story(job_id).at(-1)).toBe('event.emit');
    expect(owner.seen('job.accepted')).toHaveLength(2);
  });

  it('is refused by a job that is ending: no child is born that nobody would stop', async () => {
    const deaf = agentNamed('deaf', () => new Promise(() => undefined));
    const father = agentNamed('father', async (ctx) => {
      await ctx.delegate('deaf');
      return 'gone';
    });
    await using test = bench({ agents: [father, deaf, forever] });
    const client = await test.open();
    const jobId = await client.accepted('father');
    await test.clock.settle();
    client.send('agent.delegate', { target: 'forever', task: 't' }, { job_id: jobId });
    expect(await client.next('nack')).toMatchObject({ payload: { code: 'CANCELLED' } });
    await test.clock.advance(5_000);
    await client.terminal(jobId);
  });
});
