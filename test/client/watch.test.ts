/** `client.jobs` and `client.watch`: the jobs of a principal, from another session than the one that asked for them. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import type { JobEvent } from '../../src/client/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import { testRuntime } from '../../src/testing/index.js';

function scene(limits: { listPageSize?: number } = {}) {
  let say = (): void => undefined;
  let end = (): void => undefined;
  const test = testRuntime({
    limits,
    agents: [
      defineAgent({ name: 'quick', version: '1.0.0', run: () => 'quick' }),
      defineAgent({
        name: 'stream',
        version: '1.0.0',
        run: (_input, ctx) => {
          const result = ctx.openResult({ encoding: 'utf8', chunkBytes: 10 });
          result.end('a text of more than one chunk');
        },
      }),
      defineAgent({
        name: 'talker',
        version: '1.0.0',
        run: (_input, ctx) =>
          new Promise((resolve) => {
            say = () => ctx.log('info', 'line');
            end = () => {
              resolve('done');
            };
          }),
      }),
      defineAgent({
        name: 'parent',
        version: '1.0.0',
        run: async (_input, ctx) => (await (await ctx.delegate('quick')).outcome).status,
      }),
    ],
  });
  return {
    test,
    say: () => {
      say();
    },
    end: () => {
      end();
    },
  };
}

async function all(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const list: JobEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

describe('client.jobs', () => {
  it('goes over all pages, the oldest first, and takes a filter', async () => {
    const { test } = scene({ listPageSize: 3 });
    await using _ = test;
    const [owner, other] = [
      await test.connect({ principal: 'ada' }),
      await test.connect({ principal: 'ada' }),
    ];
    const ids: string[] = [];
    for (let n = 0; n < 8; n += 1) {
      const job = await owner.invoke(n === 5 ? 'parent' : 'quick');
      await job.result();
      if (n !== 5) ids.push(job.id);
      await test.clock.advance(1);
    }
    const listed: string[] = [];
    for await (const job of other.jobs({ agent: 'quick', status: ['completed'] })) {
      if (job.parent_job_id === undefined) listed.push(job.job_id);
    }
    expect(listed).toEqual(ids);
    const none = other.jobs({ createdAfter: new Date(test.clock.now()) });
    expect(await none.next()).toEqual({ value: undefined, done: true });
    await expect(other.jobs({ agent: '@' }).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('client.watch', () => {
  it('iterates a job of another session from its beginning to its end, and has its result', async () => {
    const { test, say, end } = scene();
    await using _ = test;
    const [owner, other] = [
      await test.connect({ principal: 'ada' }),
      await test.connect({ principal: 'ada' }),
    ];
    const job = await owner.invoke('talker');
    await test.clock.settle();
    say();
    await test.clock.settle();
    const watched = await other.watch(job.id);
    expect(watched.subscribed).toMatchObject({
      agent: 'talker@1.0.0',
      current_status: 'running',
      replayed: true,
    });
    say();
    end();
    const seen = await all(watched);
    expect(seen.map(({ id }) => id)).toEqual((await all(job)).map(({ id }) => id));
    expect((await watched.result()).value).toBe('done');
    expect(other.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('assembles a streamed result of a job that is over, as often as it is asked', async () => {
    const { test } = scene();
    await using _ = test;
    const [owner, other] = [
      await test.connect({ principal: 'ada' }),
      await test.connect({ principal: 'ada' }),
    ];
    const job = await owner.invoke('stream');
    await job.result();
    for (const client of [other, other, owner]) {
      const watched = await client.watch(job.id);
      expect((await watched.result()).result?.text()).toBe('a text of more than one chunk');
      await test.clock.settle();
    }
  });

  it('begins after `fromEventSeq`, or now, where it is told so', async () => {
    const { test, say, end } = scene();
    await using _ = test;
    const [owner, other, late] = [
      await test.connect({ principal: 'ada' }),
      await test.connect({ principal: 'ada' }),
      await test.connect({ principal: 'ada' }),
    ];
    const job = await owner.invoke('talker');
    await test.clock.settle();
    say();
    await test.clock.settle();
    const { value } = await other.jobs().next();
    const from = value?.last_event_seq ?? 0;
    say();
    await test.clock.settle();
    const watched = await other.watch(job.id, { fromEventSeq: from });
    const live = await late.watch(job.id, { history: false });
    end();
    expect((await all(watched)).map(({ type }) => type)).toEqual(['log', 'job.completed']);
    expect((await all(live)).map(({ type }) => type)).toEqual(['job.completed']);
    expect(await all(await late.watch(job.id, { fromEventSeq: 1_000 }))).toEqual([]);
  });

  it('shows the jobs below it in its tree', async () => {
    const { test } = scene();
    await using _ = test;
    const [owner, other] = [
      await test.connect({ principal: 'ada' }),
      await test.connect({ principal: 'ada' }),
    ];
    const job = await owner.invoke('parent');
    await job.result();
    const watched = await other.watch(job.id);
    const tree = await all(watched.tree());
    expect(tree.map(({ id }) => id)).toEqual((await all(job.tree())).map(({ id }) => id));
    expect(new Set(tree.map(({ job_id }) => job_id)).size).toBe(2);
  });

  it('goes on over a dropped connection, be it dropped before the answer came', async () => {
    const { test, say, end } = scene();
    await using _ = test;
    const owner = await test.connect({ principal: 'ada' });
    const wires: MemoryTransport[] = [];
    const other = await test.connect({ principal: 'ada', onDial: (wire) => wires.push(wire) });
    const job = await owner.invoke('talker');
    await test.clock.settle();
    say();
    const watching = other.watch(job.id);
    for (let turn = 0; turn < 2; turn += 1) await Promise.resolve();
    wires.at(-1)?.destroy();
    await test.clock.advance(20_000);
    const watched = await watching;
    say();
    await test.clock.settle();
    wires.at(-1)?.destroy();
    say();
    end();
    await test.clock.advance(20_000);
    expect((await all(watched)).map(({ id }) => id)).toEqual((await all(job)).map(({ id }) => id));
    expect(wires.length).toBe(3);
  });

  it('stops when it is asked to, and leaves a job of one’s own alone', async () => {
    const { test, say, end } = scene();
    await using _ = test;
    const [owner, other] = [
      await test.connect({ principal: 'ada' }),
      await test.connect({ principal: 'ada' }),
    ];
    const job = await owner.invoke('talker');
    await test.clock.settle();
    const [watched, own] = [await other.watch(job.id), await owner.watch(job.id)];
    watched.stop();
    own.stop();
    await expect(watched.result()).rejects.toMatchObject({ code: 'CANCELLED' });
    await test.clock.settle();
    const notices: unknown[] = [];
    other.on('notice', (notice) => notices.push(notice));
    say();
    end();
    expect((await own.result()).value).toBe('done');
    expect(own.ended).toBe(true);
    await test.clock.settle();
    expect(notices).toEqual([]);
  });

  it('rejects for a job that is not there, or another’s', async () => {
    const { test } = scene();
    await using _ = test;
    const [ada, bob] = [await test.connect({ principal: 'ada' }), await test.connect({ principal: 'bob' })];
    const job = await ada.invoke('quick');
    await expect(bob.watch(job.id)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await expect(bob.watch('job_none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(bob.watch('none')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(bob.inFlight).toEqual({ calls: 0, jobs: 0 });
  });
});
