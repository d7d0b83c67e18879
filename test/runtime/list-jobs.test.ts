/** `session.list_jobs`: whose jobs, which of them, in what order, and how the pages join. */
import { describe, expect, it } from 'vitest';
import { ArcpError, defineAgent } from '../../src/index.js';
import { bench } from './bench.js';
import type { FrameOf, RawClient } from './raw-client.js';

const quick = (version: string) => defineAgent({ name: 'quick', version, run: () => version });
const agents = [
  quick('1.0.0'),
  quick('2.0.0'),
  defineAgent({ name: 'wait', version: '1.0.0', run: () => new Promise(() => undefined) }),
  defineAgent({
    name: 'slow',
    version: '1.0.0',
    run: () => {
      throw new ArcpError('TIMEOUT', 'too slow');
    },
  }),
  defineAgent({
    name: 'broken',
    version: '1.0.0',
    run: () => {
      throw new Error('broken');
    },
  }),
];

type Listed = FrameOf<'session.jobs'>['payload'];

async function list(client: RawClient, payload: object = {}): Promise<Listed> {
  const id = client.send('session.list_jobs', payload);
  const answer = await client.next('session.jobs', (frame) => frame.correlation_id === id);
  expect(answer).toMatchObject({ session_id: client.sessionId, payload: { request_id: id } });
  expect(answer.event_seq).toBeUndefined();
  return answer.payload;
}

const ids = ({ jobs }: Listed): string[] => jobs.map(({ job_id }) => job_id);

/** What a listing says of the profile of an agent that declares none. */
const GENERAL = { role: 'general', permissions: { write: true, network: true }, shell: 'full' };

describe('a listing of jobs', () => {
  it('shows every job of the principal, whichever session asked for it, and nobody else’s (decision 10)', async () => {
    await using test = bench({ agents });
    const [ada, again, bob] = [await test.open('ada'), await test.open('ada'), await test.open('bob')];
    const strangers = [await test.open('nobody'), await test.open('nobody')] as const;
    const jobs = [await ada.accepted('quick'), await again.accepted('wait')];
    const theirs = await strangers[0].accepted('wait');
    await test.clock.settle();
    expect(ids(await list(ada)).sort()).toEqual([...jobs].sort());
    expect(ids(await list(again)).sort()).toEqual([...jobs].sort());
    expect(await list(bob)).toMatchObject({ jobs: [], next_cursor: null });
    expect(ids(await list(strangers[0]))).toEqual([theirs]);
    expect(ids(await list(strangers[1]))).toEqual([]);
  });

  it('tells the resolved agent, the state, the time, the trace, and the last number that the owner was told', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const done = await client.accepted('quick', {}, { trace_id: 't1' });
    await client.terminal(done);
    const doneLast = client.lastSeq;
    await test.clock.advance(5);
    const running = await client.accepted('wait');
    await test.clock.settle();
    const { jobs } = await list(client);
    expect(jobs).toEqual([
      {
        job_id: done,
        agent: 'quick@2.0.0',
        status: 'completed',
        created_at: '2026-01-01T00:00:00.000Z',
        trace_id: 't1',
        last_event_seq: doneLast,
        profile: GENERAL,
      },
      {
        job_id: running,
        agent: 'wait@1.0.0',
        status: 'running',
        created_at: '2026-01-01T00:00:00.005Z',
        trace_id: expect.any(String) as string,
        last_event_seq: client.lastSeq,
        profile: GENERAL,
      },
    ]);
  });

  it('names the parent of a child, its delegation, its root and how deep it is', async () => {
    const parent = defineAgent({
      name: 'parent',
      version: '1.0.0',
      run: async (_input, ctx) => (await ctx.delegate('quick')).jobId,
    });
    await using test = bench({ agents: [...agents, parent] });
    const client = await test.open();
    const jobId = await client.accepted('parent');
    await client.terminal(jobId);
    const { jobs } = await list(client, { filter: { agent: 'quick' } });
    const accepted = await client.next('job.accepted', (frame) => frame.job_id !== jobId);
    const { delegate_id } = accepted.payload;
    expect(delegate_id).toMatch(/./);
    expect(jobs).toMatchObject([{ parent_job_id: jobId, delegate_id, root_job_id: jobId, depth: 1 }]);
  });

  it.each([
    [['completed'], ['quick']],
    [['success'], ['quick']],
    [['failed'], ['broken', 'slow']],
    [['error'], ['broken']],
    [['timed_out'], ['slow']],
    [['cancelled'], []],
    [['running'], ['wait']],
    [['pending'], ['wait']],
    [['queued'], ['wait']],
    [
      ['queued', 'success'],
      ['quick', 'wait'],
    ],
    [[], ['broken', 'quick', 'slow', 'wait', 'wait']],
  ])('takes the words of both dialects for a status: %j', async (status, expected) => {
    await using test = bench({ agents, limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    for (const agent of ['quick', 'slow', 'broken']) await client.terminal(await client.accepted(agent));
    await client.accepted('wait');
    await client.accepted('wait');
    await test.clock.settle();
    const { jobs } = await list(client, { filter: { status } });
    expect(jobs.map(({ agent }) => agent.split('@')[0]).sort()).toEqual(expected);
  });

  it('matches a bare name with every version, and name@version exactly', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const one = await client.accepted('quick@1.0.0');
    const two = await client.accepted('quick@2.0.0');
    expect(ids(await list(client, { filter: { agent: 'quick' } })).sort()).toEqual([one, two].sort());
    expect(ids(await list(client, { filter: { agent: 'quick@1.0.0' } }))).toEqual([one]);
    expect(ids(await list(client, { filter: { agent: 'quick@1' } }))).toEqual([]);
    expect(ids(await list(client, { filter: { agent: 'qui' } }))).toEqual([]);
  });

  it('is bounded by the times of creation, both exclusive', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobs: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      jobs.push(await client.accepted('quick'));
      await test.clock.advance(1_000);
    }
    const filter = {
      created_after: '2026-01-01T00:00:00Z',
      created_before: '2026-01-01T01:00:02+01:00',
    };
    expect(ids(await list(client, { filter }))).toEqual([jobs[1]]);
  });

  it('comes in pages that join without a gap or a repeat, whatever begins and ends meanwhile', async () => {
    await using test = bench({ agents, limits: { listPageSize: 4 } });
    const client = await test.open();
    const jobs: string[] = [];
    for (let n = 0; n < 10; n += 1) {
      jobs.push(await client.accepted('wait'));
      if (n % 3 === 0) await test.clock.advance(1);
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Listed = await list(client, { limit: 99, ...(cursor === null ? {} : { cursor }) });
      expect(page.jobs.length).toBeLessThanOrEqual(4);
      seen.push(...ids(page));
      cursor = page.next_cursor;
      client.send('cancel', { target: 'job', target_id: seen[0] });
      await test.clock.advance(10_000);
    } while (cursor !== null);
    expect([...seen].sort()).toEqual([...jobs].sort());
    expect(new Set(seen).size).toBe(10);
    expect(ids(await list(client, { limit: 2 }))).toEqual(seen.slice(0, 2));
  });

  it.each([
    { cursor: 'nonsense' },
    { cursor: '' },
    { cursor: Buffer.from('1 job_x ').toString('base64url') },
    { cursor: Buffer.from('x job_x').toString('base64url') },
    { cursor: Buffer.from('1 sess_x').toString('base64url') },
    { limit: 0 },
    { filter: { agent: 'Not An Agent' } },
    { filter: { status: ['Running'] } },
  ])('refuses what makes no sense with a nack: %j (L6)', async (payload) => {
    await using test = bench({ agents });
    const client = await test.open();
    const id = client.send('session.list_jobs', payload);
    expect((await client.next('nack')).payload).toMatchObject({ code: 'INVALID_ARGUMENT', ack_for: id });
    expect(await list(client)).toEqual({
      request_id: expect.any(String) as string,
      jobs: [],
      next_cursor: null,
    });
  });
});
