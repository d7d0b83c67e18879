/** `job.subscribe`: history, then live, in the watcher's own numbering (decision 10). */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { bench } from './bench.js';
import type { FrameOf, RawClient } from './raw-client.js';

/** Says a line for each step that it is given, and ends when it is told to. */
function stepper() {
  const steps: (() => void)[] = [];
  let said = 0;
  const agent = defineAgent({
    name: 'stepper',
    version: '1.0.0',
    run: (_input, ctx) =>
      new Promise((resolve, reject) => {
        ctx.signal.addEventListener('abort', reject);
        steps.push(() => ctx.log('info', `line ${(said += 1)}`));
        end.now = () => {
          resolve('done');
        };
      }),
  });
  const end = { now: (): void => undefined };
  const say = (lines: number): void => {
    for (let n = 0; n < lines; n += 1) for (const step of steps) step();
  };
  return { agent, say, end };
}

async function watch(
  client: RawClient,
  jobId: string,
  more: object = {},
): Promise<FrameOf<'job.subscribed'>> {
  const id = client.send('job.subscribe', { job_id: jobId, ...more });
  const answer = await client.next('job.subscribed', (frame) => frame.correlation_id === id);
  expect(answer.event_seq).toBeUndefined();
  return answer;
}

/** What was told of a job: its messages' ids, which are the same for everybody. */
const told = (client: RawClient, jobId: string): string[] =>
  client.events().flatMap(({ id, job_id }) => (job_id === jobId ? [id] : []));

const numbers = (client: RawClient): (number | undefined)[] =>
  client.events().map(({ event_seq }) => event_seq);
const from1To = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('watching a job', () => {
  it('answers first, and then tells what happens from now on, numbered anew without a gap (L3)', async () => {
    const { agent, say, end } = stepper();
    await using test = bench({ agents: [agent] });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('stepper');
    say(3);
    await test.clock.settle();
    const { payload } = await watch(watcher, jobId);
    expect(payload).toMatchObject({
      job_id: jobId,
      current_status: 'running',
      agent: 'stepper@1.0.0',
      subscribed_from: owner.lastSeq,
      replayed: false,
    });
    say(2);
    end.now();
    await watcher.terminal(jobId);
    await owner.terminal(jobId);
    expect(told(watcher, jobId)).toEqual(told(owner, jobId).slice(-3));
    expect(numbers(watcher)).toEqual(from1To(3));
    expect(watcher.events()[0]?.session_id).toBe(watcher.sessionId);
  });

  it('tells the history behind `from_event_seq` of the owner’s numbering, which listings show', async () => {
    const { agent, say, end } = stepper();
    await using test = bench({ agents: [agent, ...quick] });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('stepper');
    for (let round = 0; round < 5; round += 1) {
      say(2);
      await owner.terminal(await owner.accepted('quick'));
    }
    const list = watcher.send('session.list_jobs', { filter: { agent: 'stepper' } });
    const { payload } = await watcher.next('session.jobs', (frame) => frame.correlation_id === list);
    const last = payload.jobs[0]?.last_event_seq ?? 0;
    const lines = owner.events().filter(({ job_id }) => job_id === jobId);
    expect(last).toBe(lines.at(-1)?.event_seq);
    for (const seen of [0, 1, 4, 7, last, last + 10]) {
      const one = await test.open();
      const { payload: answer } = await watch(one, jobId, { history: true, from_event_seq: seen });
      await test.clock.settle();
      const expected = lines.filter(({ event_seq = 0 }) => event_seq > seen).map(({ id }) => id);
      expect(told(one, jobId)).toEqual(expected);
      expect(numbers(one)).toEqual(from1To(expected.length));
      expect(answer.replayed).toBe(expected.length > 0);
    }
    end.now();
  });

  it('works for a job that has ended and is kept', async () => {
    await using test = bench({ agents: quick });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('quick');
    await owner.terminal(jobId);
    const { payload } = await watch(watcher, jobId, { history: true });
    expect(payload).toMatchObject({ current_status: 'completed', replayed: true, subscribed_from: 0 });
    await watcher.terminal(jobId);
    expect(told(watcher, jobId)).toEqual(told(owner, jobId));
  });

  it('twice tells nothing twice while the job runs, be it another’s or the watcher’s own', async () => {
    const { agent, say, end } = stepper();
    await using test = bench({ agents: [agent] });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('stepper');
    for (let n = 0; n < 3; n += 1) {
      await watch(watcher, jobId, { history: true });
      await watch(owner, jobId, { history: true });
      say(1);
    }
    end.now();
    await watcher.terminal(jobId);
    await test.clock.settle();
    expect(told(watcher, jobId)).toEqual(told(owner, jobId));
    expect(new Set(told(owner, jobId)).size).toBe(told(owner, jobId).length);
  });

  it('again when the job is over tells its story again, also to those who saw it happen', async () => {
    const { agent, say, end } = stepper();
    await using test = bench({ agents: [agent] });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('stepper');
    await watch(watcher, jobId, { history: true });
    say(2);
    end.now();
    for (const client of [owner, watcher]) {
      await client.terminal(jobId);
      const story = told(client, jobId);
      expect((await watch(client, jobId, { history: true })).payload.replayed).toBe(true);
      await client.terminal(jobId);
      expect(told(client, jobId)).toEqual([...story, ...story]);
    }
  });

  it('stops in silence, and can begin again where it stopped', async () => {
    const { agent, say, end } = stepper();
    await using test = bench({ agents: [agent] });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('stepper');
    await watch(watcher, jobId, { history: true });
    await test.clock.settle();
    const frames = watcher.frames.length;
    watcher.send('job.unsubscribe', { job_id: jobId });
    owner.send('job.unsubscribe', { job_id: jobId });
    await test.clock.settle();
    const before = owner.lastSeq;
    say(3);
    await test.clock.settle();
    expect(watcher.frames).toHaveLength(frames);
    await watch(watcher, jobId, { history: true, from_event_seq: before });
    end.now();
    await watcher.terminal(jobId);
    await owner.terminal(jobId);
    expect(told(watcher, jobId)).toEqual(told(owner, jobId));
    expect(numbers(watcher)).toEqual(from1To(told(owner, jobId).length));
  });

  it('takes in the jobs below it, those that are there and those to come, in the order of the owner', async () => {
    const { agent, say } = stepper();
    const parent = defineAgent({
      name: 'parent',
      version: '1.0.0',
      run: async (_input, ctx) => {
        await (
          await ctx.delegate('quick')
        ).outcome;
        await (
          await ctx.delegate('stepper')
        ).outcome;
      },
    });
    await using test = bench({ agents: [agent, parent, ...quick] });
    const [owner, late, early] = [await test.open(), await test.open(), await test.open()];
    const jobId = await owner.accepted('parent');
    await watch(early, jobId, { history: true });
    await test.clock.settle();
    await watch(late, jobId, { history: true });
    say(2);
    await test.clock.settle();
    const all = (client: RawClient): string[] => client.events().map(({ id }) => id);
    expect(new Set(owner.events().map(({ job_id }) => job_id)).size).toBe(3);
    expect(all(late)).toEqual(all(owner));
    expect(all(early)).toEqual(all(owner));
    late.send('job.unsubscribe', { job_id: jobId });
    await test.clock.settle();
    say(1);
    await test.clock.settle();
    expect(all(late)).toEqual(all(owner).slice(0, -1));
  });

  it('of another principal is refused, and of none there is nothing (decision 10)', async () => {
    await using test = bench({ agents: quick });
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    const strangers = [await test.open('nobody'), await test.open('nobody')] as const;
    const jobId = await ada.accepted('quick');
    const theirs = await strangers[0].accepted('quick');
    for (const [client, job_id, code] of [
      [bob, jobId, 'PERMISSION_DENIED'],
      [strangers[1], theirs, 'PERMISSION_DENIED'],
      [bob, 'job_none', 'NOT_FOUND'],
    ] as const) {
      const id = client.send('job.subscribe', { job_id, history: true });
      expect((await client.next('nack')).payload).toMatchObject({ code, ack_for: id });
      expect(client.events()).toEqual([]);
    }
  });

  it('gives no authority to cancel beyond that of the principal (decision 8)', async () => {
    const { agent } = stepper();
    await using test = bench({ agents: [agent] });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('stepper');
    await watch(watcher, jobId);
    watcher.send('cancel', { target: 'session', target_id: owner.sessionId });
    expect((await watcher.next('cancel.refused')).payload.reason).toBe('permission_denied');
    watcher.send('cancel', { target: 'job', target_id: jobId });
    expect((await watcher.terminal(jobId)).type).toBe('job.cancelled');
  });

  it('goes on over a dropped connection, in the same numbering, and while nobody is connected (L3)', async () => {
    const { agent, say, end } = stepper();
    await using test = bench({ agents: [agent] });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('stepper');
    await watch(watcher, jobId, { history: true });
    await test.clock.settle();
    const seen = watcher.lastSeq;
    watcher.wire.destroy();
    await test.clock.settle();
    say(3);
    await test.clock.settle();
    const resumed = test.raw();
    await resumed.resume(watcher.resumeToken, seen);
    end.now();
    await resumed.terminal(jobId);
    await owner.terminal(jobId);
    expect([...told(watcher, jobId), ...told(resumed, jobId)]).toEqual(told(owner, jobId));
    expect([...numbers(watcher), ...numbers(resumed)]).toEqual(from1To(told(owner, jobId).length));
  });

  it('has limits: of jobs for a session, of history for a session’s memory (L7)', async () => {
    const { agent, say } = stepper();
    await using test = bench({
      agents: [agent, ...quick],
      limits: { maxJobSubscriptionsPerSession: 2, maxReplayEvents: 20 },
    });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobs = [
      await owner.accepted('quick'),
      await owner.accepted('stepper'),
      await owner.accepted('stepper'),
    ];
    const last = await owner.accepted('stepper');
    for (const jobId of jobs) await watch(watcher, jobId);
    watcher.send('job.subscribe', { job_id: last });
    expect((await watcher.next('nack')).payload.code).toBe('RESOURCE_EXHAUSTED');
    say(30);
    const other = await test.open();
    other.send('job.subscribe', { job_id: last, history: true });
    expect((await other.next('nack')).payload).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: false,
    });
  });

  it('lets go of the job when the watcher’s session ends', async () => {
    const { agent, say } = stepper();
    await using test = bench({ agents: [agent] });
    const owner = await test.open();
    const jobId = await owner.accepted('stepper');
    const watcher = await test.open();
    await watch(watcher, jobId);
    watcher.send('session.close', {});
    await watcher.next('session.closed');
    say(1);
    await test.clock.settle();
    expect(told(watcher, jobId)).toEqual([]);
    expect(owner.seen('log')).toHaveLength(1);
  });
});

const quick = [defineAgent({ name: 'quick', version: '1.0.0', run: () => 'quick' })];

describe('a thousand watchers of one job', () => {
  it('cost one serialisation of each event', async () => {
    const { agent, say } = stepper();
    await using test = bench({ agents: [agent] });
    const owner = await test.open();
    const jobId = await owner.accepted('stepper');
    const watchers = await Promise.all(Array.from({ length: 1_000 }, () => test.open()));
    await Promise.all(watchers.map((watcher) => watch(watcher, jobId)));
    const { stringify } = JSON;
    let calls = 0;
    JSON.stringify = ((...args: Parameters<typeof stringify>) => {
      calls += 1;
      return stringify(...args);
    }) as typeof stringify;
    try {
      say(10);
      await test.clock.settle();
    } finally {
      JSON.stringify = stringify;
    }
    expect(watchers.map((watcher) => watcher.seen('log').length)).toEqual(watchers.map(() => 10));
    expect(calls).toBeLessThanOrEqual(20);
  });
});
