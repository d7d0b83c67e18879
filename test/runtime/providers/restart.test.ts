/** Jobs of agents that sessions host, across lives of the runtime: they wait for a provider, and go on by their recovery. */
import { afterEach, describe, expect, it } from 'vitest';
import { DATA, lives, type Lives } from '../lives.js';
import { agent, HOST } from './scene.js';

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, after the process was killed', (_name, make) => {
  it('a job goes on with its provider when that resumes, as another attempt; one that cannot is ABORTED', async () => {
    const all = (current = lives(make(), { hosts: () => true }));
    const first = await all.next();
    const [client, host] = [await first.open(), first.raw()];
    await host.open(undefined, {
      agents: [agent('again', { recovery: 'restart' }), agent('once')],
      extensions: [HOST],
    });
    const [again, once] = [await client.accepted('again', { n: 1 }), await client.accepted('once')];
    for (const jobId of [again, once]) {
      const { id } = await host.next('tool.invoke', ({ job_id }) => job_id === jobId);
      host.send('job.started', {}, { job_id: jobId, correlation_id: id });
    }
    const last = host.send('log', { level: 'info', message: 'at it' }, { job_id: again });
    await host.next('ack', ({ payload }) => payload.received_up_to === last);

    const second = await all.next();
    const resumed = second.raw();
    await resumed.resume(client.resumeToken, client.lastSeq);
    expect(await resumed.terminal(once)).toMatchObject({ type: 'job.failed', payload: { code: 'ABORTED' } });
    const back = second.raw();
    await back.resume(host.resumeToken, 0);
    const late = back.send('job.completed', { value: 'first' }, { job_id: again });
    expect((await back.answerTo(late)).payload).toMatchObject({ code: 'NOT_FOUND' });
    await second.clock.advance(1_000);
    const invoke = await back.next('tool.invoke');
    expect(invoke).toMatchObject({ job_id: again, payload: { arguments: { n: 1 }, job: { attempt: 2 } } });
    back.send('tool.result', { value: 'second' }, { job_id: again, correlation_id: invoke.id });
    expect(await resumed.terminal(again)).toMatchObject({ payload: { value: 'second' } });
  });

  it('a job whose provider does not come back fails, when it was given time', async () => {
    const all = (current = lives(make(), { hosts: () => true }));
    const first = await all.next();
    const [client, host] = [await first.open(), first.raw()];
    await host.open(undefined, { agents: [agent('again', { recovery: 'restart' })], extensions: [HOST] });
    const job = await client.accepted('again');
    const { id } = await host.next('tool.invoke');
    const last = host.send('job.started', {}, { job_id: job, correlation_id: id });
    await host.next('ack', ({ payload }) => payload.received_up_to === last);
    await client.next('job.started');

    const second = await all.next();
    const resumed = second.raw();
    await resumed.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    expect(resumed.seen('job.failed')).toEqual([]);
    await second.clock.advance(120_000);
    expect(await resumed.terminal(job)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'AGENT_NOT_AVAILABLE' },
    });
  });
});
