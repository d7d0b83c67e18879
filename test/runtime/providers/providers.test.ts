/** Agents that sessions host: who may, who gets which job, and what becomes of jobs when sessions come and go. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../../src/index.js';
import { RawClient } from '../raw-client.js';
import { agent, codeOf, HOST, hostingScene } from './scene.js';

describe('a session that hosts agents', () => {
  it('is given their jobs, and its answers are theirs', async () => {
    await using at = await hostingScene();
    const host = at.host();
    const { payload } = await host.offer([agent('echo', { description: 'says it again' })]);
    expect(payload.capabilities).toMatchObject({
      provider: { hosted: ['echo@1.0.0'], refused: [] },
      agents: [{ name: 'echo', versions: ['1.0.0'] }],
    });
    const job = await at.client.invoke('echo', { say: 'hi' });
    const given = await host.job();
    expect(given.invoke.payload).toMatchObject({
      arguments: { say: 'hi' },
      job: { attempt: 1, principal: 'ada' },
    });
    given.say('job.started');
    given.say('job.completed', { value: 'hi' });
    expect((await job.result()).value).toBe('hi');
  });

  it('has to be of a principal that may; others are told so, and are ordinary clients', async () => {
    const own = defineAgent({ name: 'own', version: '1.0.0', run: () => 1 });
    await using at = await hostingScene({ agents: [own] });
    await (await at.test.connect({ principal: 'eve' })).close();
    const eve = at.host();
    const { payload } = await eve.offer([agent('echo')], [HOST], 'eve');
    expect(payload.capabilities).toMatchObject({
      provider: { hosted: [], refused: [{ agent: 'echo', code: 'PERMISSION_DENIED' }] },
      agents: [{ name: 'own' }],
    });
    const id = eve.invoke('own');
    const accepted = await eve.next('job.accepted', (frame) => frame.correlation_id === id);
    expect((await eve.terminal(accepted.payload.job_id)).type).toBe('job.completed');
    await expect((await at.client.invoke('echo')).result()).rejects.toMatchObject({
      code: 'AGENT_NOT_AVAILABLE',
    });
  });

  it('cannot take the name of an agent of the runtime, nor disagree with others about the terms', async () => {
    const own = defineAgent({ name: 'own', version: '1.0.0', run: () => 1 });
    await using at = await hostingScene({ agents: [own] });
    const first = await at.host().offer([agent('own'), agent('echo', { recovery: 'restart' }), 'bare']);
    expect(first.payload.capabilities['provider']).toMatchObject({
      hosted: ['echo@1.0.0'],
      refused: [
        { agent: 'bare', code: 'INVALID_ARGUMENT' },
        { agent: 'own@1.0.0', code: 'ALREADY_EXISTS' },
      ],
    });
    const second = await at.host().offer([agent('echo', { recovery: 'resume' })]);
    expect(second.payload.capabilities['provider']).toMatchObject({
      hosted: [],
      refused: [{ agent: 'echo@1.0.0', code: 'FAILED_PRECONDITION' }],
    });
  });

  it('cannot speak for jobs that it was not given', async () => {
    const hold = defineAgent({
      name: 'hold',
      version: '1.0.0',
      run: (_input, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', reject)),
    });
    await using at = await hostingScene({ agents: [hold] });
    const host = at.host();
    await host.offer([agent('echo')]);
    const job = await at.client.invoke('hold');
    const id = host.send('job.completed', { value: 'mine' }, { job_id: job.id });
    expect(codeOf(await host.answerTo(id))).toBe('NOT_FOUND');
    await job.cancel();
    await expect(job.result()).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('several providers of one agent', () => {
  it('share its jobs: the least busy first, each up to what it says; the others wait as queued, the principals in turns', async () => {
    await using at = await hostingScene();
    const bob = await at.test.connect({ principal: 'bob' });
    const [one, two] = [at.host(), at.host()];
    await one.offer([agent('echo', { max_concurrent_jobs: 1 })]);
    await two.offer([agent('echo', { max_concurrent_jobs: 1 })]);
    const first = await at.client.invoke('echo', 1);
    const second = await at.client.invoke('echo', 2);
    const [a, b] = [await one.job(), await two.job()];
    expect([a.id, b.id].sort()).toEqual([first.id, second.id].sort());
    const waiting = [
      await at.client.invoke('echo', 3),
      await at.client.invoke('echo', 4),
      await bob.invoke('echo', 5),
    ];
    const listed: string[] = [];
    for await (const { job_id, status } of at.client.jobs({ status: ['queued'] }))
      listed.push(`${job_id} ${status}`);
    expect(listed).toHaveLength(2);
    a.say('tool.result', { value: 'a' });
    const third = await one.job();
    b.say('tool.result', { value: 'b' });
    const fourth = await two.job();
    third.say('tool.result', { value: 'c' });
    const fifth = await one.job();
    expect([third, fourth, fifth].map(({ invoke }) => invoke.payload.arguments)).toEqual([3, 5, 4]);
    fourth.say('tool.result', { value: 'd' });
    fifth.say('tool.result', { value: 'e' });
    for (const job of waiting) await job.result();
  });

  it('do not wait for themselves: a job that waits for its child leaves its place', async () => {
    await using at = await hostingScene();
    const host = at.host();
    await host.offer([agent('nest', { max_concurrent_jobs: 1 })]);
    const job = await at.client.invoke('nest', 'outer', { leaseRequest: { 'agent.delegate': ['*'] } });
    const outer = await host.job();
    outer.say('job.started');
    outer.say('agent.delegate', { target: 'nest', task: 'inner' });
    const inner = await host.job();
    expect(inner.invoke.payload.job).toMatchObject({ parent_job_id: job.id });
    inner.say('tool.result', { value: 'in' });
    await host.next('job.completed');
    outer.say('job.completed', { value: 'out' });
    expect((await job.result()).value).toBe('out');
  });

  it('drain: one that offers nothing any more finishes what it has and gets nothing new', async () => {
    await using at = await hostingScene();
    const [old, fresh] = [at.host(), at.host()];
    await old.offer([agent('echo')]);
    const job = await at.client.invoke('echo', 1);
    const held = await old.job();
    const id = old.send('event.emit', { name: 'provider.agents', data: { agents: [] } });
    expect((await old.said(id)).type).toBe('ack');
    await expect((await at.client.invoke('echo', 2)).result()).rejects.toMatchObject({
      code: 'AGENT_NOT_AVAILABLE',
    });
    await fresh.offer([agent('echo')]);
    const next = await at.client.invoke('echo', 3);
    (await fresh.job()).say('tool.result', { value: 3 });
    held.say('tool.result', { value: 1 });
    expect([(await job.result()).value, (await next.result()).value]).toEqual([1, 3]);
  });
});

describe('sessions that asked', () => {
  it('are told when agents come and go', async () => {
    await using at = await hostingScene();
    await (await at.test.connect({ principal: 'eve' })).close();
    const watcher = new RawClient(at.test.dial());
    await watcher.open('eve', { extensions: ['arcpx.arcp.agents.v1'] });
    const host = at.host();
    await host.offer([agent('echo')]);
    expect((await watcher.next('event.emit')).payload).toMatchObject({
      name: 'agents.changed',
      data: { agents: [{ name: 'echo', versions: ['1.0.0'] }] },
    });
    host.send('session.close', {});
    expect((await watcher.next('event.emit')).payload).toMatchObject({ data: { agents: [] } });
  });
});

describe('a provider that loses its connection', () => {
  it('goes on where it was: nothing that was under way is lost or done twice (H1)', async () => {
    await using at = await hostingScene();
    const host = at.host();
    await host.offer([agent('echo')]);
    const job = await at.client.invoke('echo', 1);
    const given = await host.job();
    given.say('job.started');
    const said = given.say('job.progress', { percent: 10 });
    await host.next('ack', ({ payload }) => payload.received_up_to === said);
    const token = host.resumeToken;
    host.line.destroy();
    // Given while nobody is connected, and sent twice by whoever does not know whether it arrived.
    const second = await at.client.invoke('echo', 2);
    const back = at.host();
    await back.resume(token, 0);
    expect((await back.next('tool.invoke')).job_id).toBe(job.id);
    const invoke = await back.next('tool.invoke');
    expect(invoke.job_id).toBe(second.id);
    const about = { job_id: job.id, correlation_id: given.invoke.id };
    back.send('job.progress', { percent: 10 }, { ...about, id: said });
    const end = back.send('job.completed', { value: 'once' }, about);
    back.send('job.completed', { value: 'once' }, { ...about, id: end });
    back.send('tool.result', { value: 'two' }, { job_id: second.id, correlation_id: invoke.id });
    const progress: unknown[] = [];
    for await (const event of job) if (event.type === 'job.progress') progress.push(event.payload.percent);
    expect(progress).toEqual([10]);
    expect((await job.result()).value).toBe('once');
    expect((await second.result()).value).toBe('two');
    expect(back.seen('nack')).toEqual([]);
  });

  it('and does not come back fails its jobs, or another goes on with them by their recovery, and is not heard any more (H2)', async () => {
    await using at = await hostingScene();
    const [lost, other] = [at.host(), at.host()];
    const agents = [
      agent('once'),
      agent('again', { recovery: 'restart' }),
      agent('on', { recovery: 'resume' }),
    ];
    await lost.offer(agents);
    const once = await at.client.invoke('once', 1);
    const again = await at.client.invoke('again', 2);
    const on = await at.client.invoke('on', 3);
    const given = [await lost.job(), await lost.job(), await lost.job()];
    for (const one of given) one.say('job.started');
    const kept = given[2]?.say('job.checkpoint', { checkpoint_id: 'c', data: { at: 7 } }) ?? '';
    await lost.said(kept);
    const token = lost.resumeToken;
    lost.line.destroy();
    await other.offer(agents);
    await at.test.clock.advance(60_000);
    await expect(once.result()).rejects.toMatchObject({ code: 'HEARTBEAT_LOST' });
    const second = await other.job();
    expect(second.invoke.payload).toMatchObject({ arguments: 2, job: { attempt: 2 } });
    const third = await other.job();
    expect(third.invoke.payload).toMatchObject({
      arguments: 3,
      job: { attempt: 2, resumed_from: { data: { at: 7 } } },
    });
    const back = at.host();
    await back.resume(token, 0);
    for (const { id, invoke } of given) {
      const late = back.send('job.completed', { value: 'late' }, { job_id: id, correlation_id: invoke.id });
      expect(codeOf(await back.answerTo(late))).toBe('ABORTED');
    }
    second.say('tool.result', { value: 'again' });
    third.say('tool.result', { value: 'on' });
    expect([(await again.result()).value, (await on.result()).value]).toEqual(['again', 'on']);
    const attempts: unknown[] = [];
    for await (const event of await at.client.watch(again.id))
      if (event.type === 'event.emit') attempts.push(event.payload.data);
    expect(attempts).toEqual([{ attempt: 2, reason: 'moved' }]);
  });

  it('is waited for no longer than it is of use: others that have room go on with its jobs (H5)', async () => {
    await using at = await hostingScene();
    const [lost, other] = [at.host(), at.host()];
    const agents = [agent('once'), agent('again', { recovery: 'restart', max_concurrent_jobs: 2 })];
    await lost.offer(agents);
    const once = await at.client.invoke('once', 0);
    const again = [await at.client.invoke('again', 1), await at.client.invoke('again', 2)];
    const given = [await lost.job(), await lost.job(), await lost.job()];
    for (const one of given) one.say('job.started');
    // A restart would give up what was streamed.
    const chunk = { result_id: 'res_1', chunk_seq: 0, data: 'a', encoding: 'utf8', more: true };
    const said = given[2]?.say('job.result_chunk', chunk) ?? '';
    await lost.next('ack', ({ payload }) => payload.received_up_to === said);
    lost.line.destroy();
    await other.offer(agents);
    await at.test.clock.advance(4_999);
    expect(other.seen('tool.invoke')).toEqual([]);
    await at.test.clock.advance(1);
    const moved = await other.job();
    expect(moved.invoke.payload).toMatchObject({ arguments: 1, job: { attempt: 2 } });
    const back = at.host();
    await back.resume(lost.resumeToken, 0);
    const taken = await back.next('nack');
    expect(taken).toMatchObject({ job_id: again[0]?.id, correlation_id: given[1]?.invoke.id });
    expect(codeOf(taken)).toBe('ABORTED');
    const about = { job_id: moved.id, correlation_id: given[1]?.invoke.id };
    expect(codeOf(await back.answerTo(back.send('job.completed', { value: 'late' }, about)))).toBe('ABORTED');
    for (const one of [given[0], given[2]]) {
      const mine = { job_id: one?.id, correlation_id: one?.invoke.id };
      if (one === given[2])
        back.send('job.result_chunk', { ...chunk, chunk_seq: 1, data: 'b', more: false }, mine);
      back.send('job.completed', one === given[2] ? { result_id: 'res_1' } : { value: 'kept' }, mine);
    }
    moved.say('tool.result', { value: 'moved' });
    expect((await again[0]?.result())?.value).toBe('moved');
    expect((await again[1]?.result())?.result?.text()).toBe('ab');
    expect((await once.result()).value).toBe('kept');
  });

  it('is waited for where nobody else has room, until somebody has (H5)', async () => {
    await using at = await hostingScene();
    const [lost, other] = [at.host(), at.host()];
    const agents = [agent('again', { recovery: 'restart', max_concurrent_jobs: 1 })];
    await lost.offer(agents);
    await other.offer(agents);
    await at.client.invoke('again', 1);
    await at.client.invoke('again', 2);
    const [mine, theirs] = [await lost.job(), await other.job()];
    lost.line.destroy();
    await at.test.clock.advance(20_000);
    expect(other.seen('tool.invoke')).toHaveLength(1);
    theirs.say('tool.result', { value: 2 });
    expect(await other.job()).toMatchObject({ id: mine.id, invoke: { payload: { job: { attempt: 2 } } } });
  });

  it('whose session ends is not waited for: others go on at once', async () => {
    await using at = await hostingScene();
    const [lost, other] = [at.host(), at.host()];
    const agents = [agent('again', { recovery: 'restart' })];
    await lost.offer(agents);
    const job = await at.client.invoke('again', 1);
    await lost.job();
    await other.offer(agents);
    lost.send('session.close', {});
    const next = await other.job();
    expect(next.invoke.payload).toMatchObject({ job: { attempt: 2 } });
    next.say('tool.result', { value: 'on' });
    expect((await job.result()).value).toBe('on');
  });

  it('without having said that it resumes is gone at once', async () => {
    await using at = await hostingScene();
    const plain = at.host();
    await plain.offer([agent('echo')], []);
    const job = await at.client.invoke('echo');
    await plain.job();
    plain.line.destroy();
    await expect(job.result()).rejects.toMatchObject({ code: 'ABORTED', message: /lost its connection/ });
  });

  it('leaves those that wait to whoever comes within the time, and after it to nobody (G3)', async () => {
    await using at = await hostingScene();
    const host = at.host();
    await host.offer([agent('echo', { max_concurrent_jobs: 1 })]);
    const running = await at.client.invoke('echo', 1);
    const held = await host.job();
    const waiting = await at.client.invoke('echo', 2);
    host.send('session.close', {});
    await expect(running.result()).rejects.toMatchObject({ code: 'ABORTED' });
    await at.test.clock.advance(59_000);
    const next = at.host();
    await next.offer([agent('echo')]);
    const given = await next.job();
    expect(given.id).toBe(waiting.id);
    expect(held.id).not.toBe(given.id);
    given.say('tool.result', { value: 2 });
    await waiting.result();
  });

  it('fails who waits with AGENT_NOT_AVAILABLE when nobody comes (G3)', async () => {
    await using at = await hostingScene();
    const host = at.host();
    await host.offer([agent('echo', { max_concurrent_jobs: 1 })]);
    await at.client.invoke('echo', 1);
    const waiting = await at.client.invoke('echo', 2);
    host.send('session.close', {});
    await host.next('session.closed');
    await at.test.clock.advance(60_000);
    await expect(waiting.result()).rejects.toMatchObject({ code: 'AGENT_NOT_AVAILABLE' });
  });

  it('is cut off when it confirms nothing (H4)', async () => {
    await using at = await hostingScene({ limits: { maxUnconfirmedFrames: 10 } });
    const host = at.host();
    await host.offer([agent('echo', { max_concurrent_jobs: 100 })]);
    const jobs = await Promise.all(Array.from({ length: 12 }, (_, n) => at.client.invoke('echo', n)));
    expect((await host.closed()).code).toBe(1013);
    await expect(jobs[0]?.result()).rejects.toMatchObject({ code: 'ABORTED', message: /does not confirm/ });
  });
});
