/** Jobs that go on in another runtime (RFC 0001 §14, decision 28): two real runtimes, a real socket between them. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  anonymous,
  defineAgent,
  memoryStore,
  sqliteStore,
  type Agent,
  type Logger,
  type Store,
} from '../../src/index.js';
import { host } from '../../src/host/index.js';
import { conformanceAgents } from '../../src/conformance/agents/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { cuttableProxy } from '../client/cuttable-proxy.js';
import {
  agentNamed,
  clientOf,
  closeAll,
  east,
  eventsOf,
  firstOf,
  folder,
  listed,
  opened,
  place,
  sender,
  STORES,
  until,
} from './handing-over.js';

afterEach(closeAll);

const talker = agentNamed('talker', async (ctx) => {
  ctx.progress({ percent: 50, message: 'half' });
  ctx.log('info', 'said there', { n: 1 });
  ctx.metric('latency', 3, { unit: 'ms' });
  await ctx.charge('cost.talk', '0.25', 'USD');
  ctx.summarize('all said');
  return ctx.lease.remaining();
});
const chunks = agentNamed('chunks', (ctx) => {
  ctx.openResult({ encoding: 'base64', chunkBytes: 10 }).end(Buffer.from('a streamed result in pieces'));
});
const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));

async function pair(there: readonly Agent[], store: () => Store = memoryStore) {
  const far = await place({ agents: there, store: store() });
  const near = await place({ agents: [sender], store: store(), handoff: [east(far)] });
  return { far, near, client: await clientOf(near) };
}

describe.each(STORES)('a job that is handed over, with the %s store', (_name, store) => {
  it('is one job to its client: what happens there happens to it, and it ends once', async () => {
    const { client } = await pair([talker], store);
    const job = await client.invoke('sender', { to: 'east', agent: 'talker' }, { budget: ['USD:1.00'] });
    const events = await eventsOf(job);
    expect(events.map(({ type, job_id }) => [type, job_id === job.id])).toEqual(
      [
        'job.accepted',
        'job.started',
        'agent.handoff',
        'event.emit',
        'job.progress',
        'log',
        'metric',
        'metric',
        'metric',
        'job.completed',
      ].map((type) => [type, true]),
    );
    expect(events.at(-1)?.payload).toEqual({ value: { USD: '0.75' }, summary: 'all said' });
    expect(events[3]?.payload).toMatchObject({ name: 'job.handed_over', data: { handoff_id: 'handoff' } });
    expect(events[4]?.payload).toMatchObject({ percent: 50, message: 'half' });
    expect(events[7]?.payload).toMatchObject({ name: 'cost.talk', amount: '0.25', unit: 'USD' });
    expect(events[8]?.payload).toMatchObject({ name: 'cost.budget.remaining', amount: '0.75' });
  });

  it('is not told what the other runtime notes for itself: here it would count as spent or granted (L4)', async () => {
    const spends = agentNamed('spends', (ctx) => ctx.charge('cost.child', '0.10', 'USD'));
    const parent = agentNamed('parent', async (ctx) => {
      for (let index = 0; index < 4; index += 1) await (await ctx.delegate('spends')).outcome;
    });
    const agents = [parent, spends];
    const far = await place({ agents, store: store(), limits: { maxFinishedJobs: 1 } });
    const near = await place({ agents: [sender], store: store(), handoff: [east(far)] });
    const client = await clientOf(near);
    const job = await client.invoke('sender', { to: 'east', agent: 'parent' }, { budget: ['USD:1.00'] });
    const events = await eventsOf(job);
    expect(events.at(-1)?.type).toBe('job.completed');
    const emitted = events.flatMap(({ type, payload }) => (type === 'event.emit' ? [payload.name] : []));
    expect(emitted).not.toContain('cost.tree.spent');
  });

  it('by an agent that is hosted elsewhere is handed over as by one in process', async () => {
    const far = await place({ agents: [talker], store: store() });
    const near = await place({ store: store(), handoff: [east(far)], hosts: ['ada'] });
    const worker = await host(near.url, { token: 't0ken', agents: [sender] });
    opened.push(() => worker.close({ drainMs: 0 }));
    const client = await clientOf(near);
    const options = { budget: ['USD:1.00'], leaseRequest: { 'agent.delegate': ['*'] } };
    const job = await client.invoke('sender', { to: 'east', agent: 'talker' }, options);
    const events = await eventsOf(job);
    expect(events.map(({ type }) => type)).toEqual([
      'job.accepted',
      'job.started',
      'agent.handoff',
      'event.emit',
      'job.progress',
      'log',
      'metric',
      'metric',
      'metric',
      'job.completed',
    ]);
    expect(events.at(-1)?.payload).toEqual({ value: { USD: '0.75' }, summary: 'all said' });
    const nowhere = await client.invoke('sender', { to: 'west', agent: 'talker' }, options);
    await expect(nowhere.result()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const stranger = { fingerprint: 'sha256:none', kind: 'other' };
    const refused = await client.invoke('sender', { to: stranger, agent: 'talker' }, options);
    await expect(refused.result()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('streams its result through, chunk by chunk', async () => {
    const { client } = await pair([chunks], store);
    const job = await client.invoke('sender', { to: 'east', agent: 'chunks' });
    const { result } = await job.result();
    expect(result?.text()).toBe('a streamed result in pieces');
  });

  it('takes its context along, and brings an artifact back as its result', async () => {
    const reads = agentNamed('reads', async (ctx, input) => {
      const { shared_memory_ref: ref } = input as { shared_memory_ref: string };
      const text = await (await ctx.fetchArtifact(ref)).text();
      ctx.openResult({ as: 'artifact', mediaType: 'text/plain' }).end(Buffer.from(text.toUpperCase()));
    });
    const { client } = await pair([reads], store);
    const kept = await client.artifacts.put('x'.repeat(3_000_000), { mediaType: 'text/plain' });
    const job = await client.invoke('sender', { to: 'east', agent: 'reads', artifact: kept.artifact_id });
    const { resultRef } = await job.result();
    expect(resultRef?.media_type).toBe('text/plain');
    expect(await (await client.artifacts.fetch(resultRef?.artifact_id ?? '')).text()).toBe(
      'X'.repeat(3_000_000),
    );
  });

  it('fails as it failed there, and is cancelled there when it is cancelled here', async () => {
    const { far, client } = await pair([...conformanceAgents(), forever], store);
    const failing = await client.invoke('sender', { to: 'east', agent: 'fail' });
    await expect(failing.result()).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('deliberate') as string,
    });
    const job = await client.invoke('sender', { to: 'east', agent: 'forever' });
    const there = await clientOf(far);
    await until(async () =>
      (await listed(there)).some(({ agent, status }) => agent === 'forever@1.0.0' && status === 'running'),
    );
    await job.cancel({ reason: 'enough' });
    await expect(job.result()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await listed(there)).find(({ agent }) => agent === 'forever@1.0.0')?.status).toBe('cancelled');
  });

  it('that is cancelled there is cancelled here', async () => {
    const { far, client } = await pair([forever], store);
    const job = await client.invoke('sender', { to: 'east', agent: 'forever' });
    const there = await clientOf(far);
    await until(async () => (await listed(there)).some(({ status }) => status === 'running'));
    for (const { job_id } of await listed(there)) await there.cancel(job_id, { reason: 'not here' });
    expect((await eventsOf(job)).at(-1)).toMatchObject({
      type: 'job.cancelled',
      payload: { reason: 'not here' },
    });
  });
});

describe('what goes along (L4)', () => {
  it('the budget: at most what is left, held back meanwhile, and the rest comes back to the cent', async () => {
    const spends = agentNamed('spends', async (ctx) => {
      await ctx.charge('cost.there', '0.30', 'USD');
      return ctx.lease.remaining();
    });
    const both = agentNamed('both', async (ctx) => {
      await ctx.charge('cost.here', '0.10', 'USD');
      const there = ctx.handoff('east', 'spends', { budget: ['USD:0.50'] });
      const meanwhile = await ctx.lease.remaining();
      return [await there, meanwhile, await ctx.lease.remaining()];
    });
    const far = await place({ agents: [spends] });
    const near = await place({ agents: [both], handoff: [east(far)] });
    const job = await (await clientOf(near)).invoke('both', {}, { budget: ['USD:1.00'] });
    expect((await job.result()).value).toEqual([{ USD: '0.2' }, { USD: '0.9' }, { USD: '0.6' }]);
  });

  it.each([
    ['a budget beyond what is left', { budget: ['USD:2.00'] }],
    ['a path that the job may not read', { leaseRequest: { 'fs.read': ['/etc/**'] } }],
  ])('not more than the job has: %s', async (_what, options) => {
    const { client } = await pair([talker]);
    const lease = {
      leaseRequest: { 'fs.read': ['/data/**'], 'agent.delegate': ['*'] },
      budget: ['USD:1.00'],
    };
    const job = await client.invoke('sender', { to: 'east', agent: 'talker', ...options }, lease);
    await expect(job.result()).rejects.toMatchObject({ code: 'LEASE_SUBSET_VIOLATION' });
  });

  it('the lease: what it does not name is not allowed there either', async () => {
    const sees = agentNamed('sees', (ctx) =>
      Promise.all(
        [
          ['fs.read', '/data/a'],
          ['fs.read', '/etc/a'],
          ['net.fetch', 'http://a.example/'],
        ].map(([capability = '', target = '']) =>
          ctx.authorize(capability, target).then(
            () => 'allowed',
            () => 'refused',
          ),
        ),
      ),
    );
    const { client } = await pair([sees]);
    const leaseRequest = { 'fs.read': ['/data/**'], 'agent.delegate': ['*'] };
    const job = await client.invoke('sender', { to: 'east', agent: 'sees' }, { leaseRequest });
    expect((await job.result()).value).toEqual(['allowed', 'refused', 'refused']);
    const bare = await client.invoke(
      'sender',
      { to: 'east', agent: 'sees' },
      { leaseRequest: { 'fs.read': ['/**'] } },
    );
    await expect(bare.result()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});

describe('its time (L4)', () => {
  it('goes along: what may run for so long here may not run longer there', async () => {
    const { far, client } = await pair([forever]);
    const job = await client.invoke('sender', { to: 'east', agent: 'forever' }, { maxRuntimeMs: 60_000 });
    const told = (await firstOf(job, 'agent.handoff')).payload.max_runtime_ms ?? Infinity;
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThanOrEqual(60_000);
    const there = await clientOf(far);
    await until(async () => (await listed(there)).some(({ status }) => status === 'running'));
    await job.cancel();
  });

  it('ends it there, also where nobody here is left to', async () => {
    const { client } = await pair([forever]);
    const job = await client.invoke('sender', { to: 'east', agent: 'forever' }, { maxRuntimeMs: 200 });
    await expect(job.result()).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('a handoff is refused', () => {
  it.each([
    ['to a name that is not configured', 'west', 'no runtime of that name'],
    [
      'to a fingerprint that is not configured',
      { fingerprint: `sha256:${'0'.repeat(64)}` },
      'no runtime of that fingerprint',
    ],
    ['without a fingerprint', { url: 'ws://127.0.0.1:1', kind: 'x' }, 'runtime.fingerprint is missing'],
  ])('%s', async (_what, to, message) => {
    const { client } = await pair([talker]);
    const job = await client.invoke('sender', { to, agent: 'talker' });
    await expect(job.result()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(message) as string,
    });
  });

  it('to a url other than the one that the operator named for the fingerprint', async () => {
    const { far, client } = await pair([talker]);
    const to = { fingerprint: far.runtime.fingerprint, url: 'ws://127.0.0.1:1' };
    const job = await client.invoke('sender', { to, agent: 'talker' });
    await expect(job.result()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('where none is configured at all', async () => {
    const near = await place({ agents: [sender] });
    const job = await (await clientOf(near)).invoke('sender', { to: 'east', agent: 'talker' });
    await expect(job.result()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('no runtime is configured') as string,
    });
  });

  it.each([
    [
      'does not prove who it is',
      { fingerprint: `sha256:${'1'.repeat(64)}` },
      'UNAUTHENTICATED',
      'this is not the expected runtime',
    ],
    ['is of another kind', { kind: 'other' }, 'FAILED_PRECONDITION', 'is of kind arcp-runtime, not other'],
    ['knows no such token', { token: 'wrong' }, 'UNAUTHENTICATED', ''],
  ])('by a runtime that %s, and nothing goes over', async (_what, more, code, message) => {
    let started = 0;
    const far = await place({ agents: [agentNamed('counts', () => (started += 1))] });
    const near = await place({ agents: [sender], handoff: [east(far, more)] });
    const job = await (await clientOf(near)).invoke('sender', { to: 'east', agent: 'counts' });
    await expect(job.result()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
    expect(started).toBe(0);
  });

  it('never with the token in what is told', async () => {
    const far = await place({ agents: [talker] });
    const near = await place({ agents: [sender], handoff: [east(far)] });
    const job = await (await clientOf(near)).invoke('sender', { to: 'east', agent: 'talker' });
    expect(JSON.stringify(await eventsOf(job))).not.toContain('t0ken');
  });
});

describe('what is lost on the way', () => {
  it('a connection: the job goes on, and nothing is told or charged twice', async () => {
    let goOn = (): void => undefined;
    const waited = new Promise<void>((resolve) => (goOn = resolve));
    const slow = agentNamed('slow', async (ctx) => {
      await ctx.charge('cost.one', '0.25', 'USD');
      await waited;
      await ctx.charge('cost.two', '0.25', 'USD');
      return ctx.lease.remaining();
    });
    const far = await place({ agents: [slow] });
    const proxy = await cuttableProxy(far.server.port);
    opened.push(() => proxy.close());
    const near = await place({ agents: [sender], handoff: [east(far, { url: proxy.url })] });
    const job = await (
      await clientOf(near)
    ).invoke('sender', { to: 'east', agent: 'slow' }, { budget: ['USD:1.00'] });
    const names: string[] = [];
    for await (const event of job) {
      if (event.type !== 'metric') continue;
      names.push(event.payload.name);
      if (names.length === 2) {
        proxy.cut();
        goOn();
      }
    }
    expect(names).toEqual(['cost.one', 'cost.budget.remaining', 'cost.two', 'cost.budget.remaining']);
    expect((await job.result()).value).toEqual({ USD: '0.5' });
  });

  it('this runtime: after a restart the job is found there again, and nothing is charged or streamed twice', async () => {
    let goOn = (): void => undefined;
    const waited = new Promise<void>((resolve) => (goOn = resolve));
    let runs = 0;
    const slow = agentNamed('slow', async (ctx) => {
      runs += 1;
      const result = ctx.openResult();
      result.write('first ');
      await ctx.charge('cost.one', '0.25', 'USD');
      await waited;
      await ctx.charge('cost.two', '0.25', 'USD');
      result.end('second');
    });
    const far = await place({ agents: [slow] });
    const data = folder();
    const start = () =>
      place({
        agents: [sender],
        handoff: [east(far)],
        store: sqliteStore({ folder: data, durability: 'normal' }),
      });
    const near = await start();
    const client = await clientOf(near);
    const job = await client.invoke('sender', { to: 'east', agent: 'slow' }, { budget: ['USD:1.00'] });
    for await (const event of job)
      if (event.type === 'metric' && event.payload.name === 'cost.budget.remaining') break;
    await near.server.close();
    await near.runtime.close();
    const again = await clientOf(await start());
    const watched = await again.watch(job.id);
    goOn();
    const charges = (await eventsOf(watched)).flatMap((event) =>
      event.type === 'metric' ? [[event.payload.name, event.payload.amount]] : [],
    );
    expect(charges).toEqual([
      ['cost.one', '0.25'],
      ['cost.budget.remaining', '0.75'],
      ['cost.two', '0.25'],
      ['cost.budget.remaining', '0.5'],
    ]);
    expect((await watched.result()).result?.text()).toBe('first second');
    expect(runs).toBe(1);
  });

  it('this runtime: what it charged itself meanwhile is not taken for what was charged there', async () => {
    let goOn = (): void => undefined;
    const waited = new Promise<void>((resolve) => (goOn = resolve));
    const slow = agentNamed('slow', async (ctx) => {
      await waited;
      await ctx.charge('cost.there', '0.25', 'USD');
    });
    const both = defineAgent({
      name: 'both',
      version: '1.0.0',
      recovery: 'resume',
      run: async (_input, ctx) => {
        const there = ctx.handoff('east', 'slow', { budget: ['USD:0.50'] });
        if (ctx.attempt === 1) {
          const watcher = await clientOf(far);
          await until(async () => (await listed(watcher)).length > 0);
          await ctx.charge('cost.here', '0.25', 'USD');
        }
        await there;
        return ctx.lease.remaining();
      },
    });
    const far = await place({ agents: [slow] });
    const store = (data: string) => sqliteStore({ folder: data, durability: 'normal' });
    const data = folder();
    const near = await place({ agents: [both], handoff: [east(far)], store: store(data) });
    const job = await (await clientOf(near)).invoke('both', {}, { budget: ['USD:1.00'] });
    for await (const event of job)
      if (event.type === 'metric' && event.payload.name === 'cost.budget.remaining') break;
    await near.server.close();
    await near.runtime.close();
    const again = await place({ agents: [both], handoff: [east(far)], store: store(data) });
    const watched = await (await clientOf(again)).watch(job.id);
    goOn();
    expect((await watched.result()).value).toEqual({ USD: '0.5' });
  });

  it('its session there, for good: the job is found under its key, and goes on as it was', async () => {
    let goOn = (): void => undefined;
    const waited = new Promise<void>((resolve) => (goOn = resolve));
    let runs = 0;
    const slow = agentNamed('slow', async (ctx) => {
      runs += 1;
      await ctx.charge('cost.one', '0.25', 'USD');
      await waited;
      await ctx.charge('cost.two', '0.25', 'USD');
    });
    let found = (): void => undefined;
    const isFound = new Promise<void>((resolve) => (found = resolve));
    const info: Logger['info'] = (_fields, message) => {
      if (message === 'job repeated') found();
    };
    const logger = { debug: () => undefined, info, warn: info, error: info };
    const far = await place({ agents: [slow], limits: { resumeWindowMs: 1 }, logger });
    const proxy = await cuttableProxy(far.server.port);
    opened.push(() => proxy.close());
    const near = await place({ agents: [sender], handoff: [east(far, { url: proxy.url })] });
    const client = await clientOf(near);
    const job = await client.invoke('sender', { to: 'east', agent: 'slow' }, { budget: ['USD:1.00'] });
    const names: string[] = [];
    for await (const event of job) {
      if (event.type !== 'metric') continue;
      names.push(event.payload.name);
      if (names.length !== 2) continue;
      proxy.cut();
      // It goes on once it was found again, under its key and in another session, and not before.
      await isFound;
      goOn();
    }
    expect(names).toEqual(['cost.one', 'cost.budget.remaining', 'cost.two', 'cost.budget.remaining']);
    await job.result();
    expect(runs).toBe(1);
  });

  it('its session there, as a stranger: it fails rather than begin anew, and nothing runs twice', async () => {
    let runs = 0;
    const stays = agentNamed('stays', async (ctx) => {
      runs += 1;
      ctx.log('info', 'begun');
      await untilAborted(ctx.signal);
    });
    const far = await place({
      agents: [stays],
      authenticators: [anonymous()],
      limits: { resumeWindowMs: 1 },
    });
    const proxy = await cuttableProxy(far.server.port);
    opened.push(() => proxy.close());
    const { name, url, fingerprint } = east(far, { url: proxy.url });
    const near = await place({ agents: [sender], handoff: [{ name, url, fingerprint }] });
    const job = await (await clientOf(near)).invoke('sender', { to: 'east', agent: 'stays' });
    for await (const event of job) if (event.type === 'log') proxy.cut();
    await expect(job.result()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(runs).toBe(1);
  });
});

describe('agent.handoff from a client', () => {
  it('begins a job here that goes on there', async () => {
    const { far, client } = await pair(conformanceAgents());
    const job = await client.handoff({ fingerprint: far.runtime.fingerprint, kind: 'arcp-runtime' }, 'echo', {
      arguments: { n: 1 },
    });
    expect((await job.result()).value).toEqual({ n: 1 });
    expect(job.accepted.agent).toBe('arcp.handoff@1.0.0');
    expect((await eventsOf(job)).find(({ type }) => type === 'agent.handoff')?.payload).toMatchObject({
      agent: 'echo',
      runtime: { kind: 'arcp-runtime', fingerprint: far.runtime.fingerprint },
    });
  });

  it('is refused at once for a runtime that is not configured, and for a job that runs', async () => {
    const { client } = await pair([talker]);
    const stranger = client.handoff({ fingerprint: `sha256:${'0'.repeat(64)}` }, 'talker');
    await expect(stranger).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
