/** What a job that is handed over may do and spend there, and what becomes of that (`hand-over.ts`, F4 to F6; L4). */
import { afterEach, describe, expect, it } from 'vitest';
import { bearerTokens, defineAgent, sqliteStore, type Agent } from '../../src/index.js';
import { connect, type JobEvent } from '../../src/client/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import {
  agentNamed,
  clientOf,
  closeAll,
  east,
  eventsOf,
  folder,
  listed,
  opened,
  place,
  sender,
  until,
  type Place,
} from './handing-over.js';

afterEach(closeAll);

function charges(events: readonly JobEvent[]): unknown[] {
  return events.flatMap((event) =>
    event.type === 'metric' && event.payload.amount !== undefined
      ? [[event.payload.name, event.payload.amount]]
      : [],
  );
}

const warnings = (events: readonly JobEvent[]): string[] =>
  events.flatMap(({ type, payload }) =>
    type === 'log' && payload.level === 'warn' ? [payload.message] : [],
  );

describe('what was spent there unseen (F5)', () => {
  let goOn: () => void;

  /** Spends before and after the test lets it; the runtime that handed it over is gone meanwhile, and comes back after. */
  async function missed(limits: object, meanwhile: (far: Place) => Promise<void>, streams = false) {
    const waited = new Promise<void>((resolve) => (goOn = resolve));
    let runs = 0;
    const slow = agentNamed('slow', async (ctx) => {
      runs += 1;
      await ctx.charge('cost.one', '0.25', 'USD');
      await waited;
      await ctx.charge('cost.two', '0.15', 'USD');
      if (streams) ctx.openResult().end('text');
      return streams ? undefined : 'done';
    });
    const other = agentNamed('other', () => 'other');
    const far = await place({ agents: [slow, other], limits: { maxFinishedJobs: 1, ...limits } });
    const data = folder();
    const start = () =>
      place({
        agents: [sender],
        handoff: [east(far)],
        store: sqliteStore({ folder: data, durability: 'normal' }),
      });
    const near = await start();
    const client = await clientOf(near);
    const input = { to: 'east', agent: 'slow', budget: ['USD:0.60'] };
    const job = await client.invoke('sender', input, { budget: ['USD:1.00'] });
    for await (const event of job)
      if (event.type === 'metric' && event.payload.name === 'cost.budget.remaining') break;
    await near.server.close();
    await near.runtime.close();
    goOn();
    await meanwhile(far);
    const again = await (await clientOf(await start())).watch(job.id);
    const events = await eventsOf(again);
    return { events, runs };
  }

  /** Has the runtime forget the job, by the ends of others. */
  const forgets =
    (key?: string) =>
    async (far: Place): Promise<void> => {
      const there = await clientOf(far);
      await until(async () => (await listed(there)).every(({ status }) => status === 'completed'));
      for (let turn = 0; turn < 2; turn += 1) {
        const options = key === undefined ? {} : { idempotencyKey: `${key}${turn}` };
        await (await there.invoke('other', {}, options)).result();
      }
      await until(async () => (await listed(there)).every(({ agent }) => agent === 'other@1.0.0'));
    };

  const COUNTED = [
    ['cost.one', '0.25'],
    ['cost.budget.remaining', '0.35'],
    ['cost.handoff.unseen', '0.35'],
    ['cost.budget.remaining', '0'],
  ];

  it('counts as spent where the other runtime has forgotten what it did, and that is said', async () => {
    const { events, runs } = await missed({}, forgets());
    expect(events.at(-1)).toMatchObject({ type: 'job.completed', payload: { value: 'done' } });
    expect(charges(events)).toEqual(COUNTED);
    expect(warnings(events)).toEqual([
      'the other runtime no longer keeps what it did there; what it could still spend counts as spent: USD:0.35',
    ]);
    expect(runs).toBe(1);
  });

  it('is not all: a result that was streamed meanwhile and is forgotten is DATA_LOSS', async () => {
    const { events } = await missed({}, forgets(), true);
    expect(events.at(-1)).toMatchObject({ type: 'job.failed', payload: { code: 'DATA_LOSS' } });
    expect(charges(events)).toEqual(COUNTED);
  });

  it('counts as spent where even the key is forgotten: what is begun anew there is another job, and is stopped', async () => {
    const { events } = await missed({ maxIdempotencyKeysPerPrincipal: 1 }, forgets('k'));
    expect(events.at(-1)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'ABORTED', message: 'the other runtime knows the job no more' },
    });
    expect(charges(events)).toEqual(COUNTED);
  });
});

describe('how far it goes (F6)', () => {
  it('through a bounded number of runtimes: two that hand it to each other come to an end', async () => {
    let runs = 0;
    const bounces = agentNamed('bounces', (ctx) => {
      runs += 1;
      return ctx.handoff('east', 'bounces');
    });
    const data = folder();
    const store = () => sqliteStore({ folder: data, durability: 'normal' });
    const first = await place({ agents: [], store: store() });
    await first.server.close();
    await first.runtime.close();
    const itself = east(first);
    const { port } = first.server;
    const only = await place({ agents: [bounces], store: store(), handoff: [itself] }, port);
    const job = await (await clientOf(only)).invoke('bounces');
    await expect(job.result()).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: 'the job was handed over from runtime to runtime 4 times already',
    });
    expect(runs).toBe(5);
  });

  it('is refused by the other runtime too, whose bound may be narrower', async () => {
    const far = await place({ agents: [agentNamed('any', () => 1)], limits: { maxHandoffHops: 1 } });
    const client = await clientOf(far);
    await expect(client.invoke('any', {}, { handoffHops: 2 })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    expect((await (await client.invoke('any', {}, { handoffHops: 1 })).result()).value).toBe(1);
  });

  it('nothing goes over, no artifact either, before what is asked for makes sense', async () => {
    const far = await place({ agents: [] });
    const fingerprint = `sha256:${'1'.repeat(64)}`;
    const near = await place({ agents: [sender], handoff: [east(far, { fingerprint })] });
    const client = await clientOf(near);
    const kept = await client.artifacts.put('text', { mediaType: 'text/plain' });
    for (const [agent, args] of [
      ['any', [1]],
      ['any@not a version', {}],
    ] as const) {
      const input = { to: 'east', agent, arguments: args, artifact: kept.artifact_id };
      const job = await client.invoke('sender', input);
      await expect(job.result()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});

describe('how far it is trusted there (F6)', () => {
  const kid = agentNamed('kid', () => 'kid');
  const outcome = (act: Promise<unknown>): Promise<unknown> =>
    act.then(
      () => 'done',
      (error: unknown) => (error as { code: string }).code,
    );
  const tries: Agent = defineAgent({
    name: 'tries',
    version: '1.0.0',
    run: async (_input, ctx) => [
      ctx.profile.shell,
      ctx.profile.permissions.write,
      await outcome(ctx.authorize('arcpx.acme.gpu.v1', 'a')),
      await outcome(ctx.delegate('kid')),
    ],
  });

  async function asLevel(trust: 'untrusted' | 'constrained' | 'trusted', leaseRequest?: object) {
    const far = await place({ agents: [tries, kid] });
    const near = await place({
      agents: [sender],
      handoff: [east(far)],
      authenticators: [bearerTokens([['t0ken', 'eve', trust]])],
    });
    const job = await (
      await clientOf(near)
    ).invoke('sender', { to: 'east', agent: 'tries' }, leaseRequest && { leaseRequest: { ...leaseRequest } });
    return (await job.result()).value;
  }

  it('no further than here: ceilings, what is not named, and levels of delegation', async () => {
    expect(await asLevel('trusted')).toEqual(['full', true, 'done', 'done']);
    expect(await asLevel('constrained')).toEqual(['read_only', true, 'done', 'done']);
    const lease = { 'agent.delegate': ['*'] };
    const no = 'PERMISSION_DENIED';
    expect(await asLevel('untrusted', lease)).toEqual(['none', false, no, no]);
  });

  it('not as it was lifted here for a while', async () => {
    const lifts = agentNamed('lifts', async (ctx) => {
      await ctx.requestPermission({ permission: 'trust.elevate.trusted', resource: '*' });
      return [ctx.profile.shell, await ctx.handoff('east', 'tries')];
    });
    const far = await place({ agents: [tries, kid] });
    const near = await place({
      agents: [lifts],
      handoff: [east(far)],
      authenticators: [
        bearerTokens([
          ['t0ken', 'eve', 'constrained'],
          ['0perator', 'root', 'privileged'],
        ]),
      ],
    });
    const operator = await connect(near.url, { token: '0perator' });
    opened.push(() => operator.close());
    const job = await (await clientOf(near)).invoke('lifts');
    await until(async () => {
      for await (const question of operator.questions()) {
        await question.grant();
        return true;
      }
      return false;
    });
    expect((await job.result()).value).toEqual(['full', ['read_only', true, 'done', 'done']]);
  });

  it('only as long as the lease that let it go there is not taken back (F4)', async () => {
    const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));
    const far = await place({ agents: [forever] });
    const near = await place({ agents: [sender], handoff: [east(far)], uncoveredActs: 'ask' });
    const client = await clientOf(near);
    const leaseRequest = { 'agent.delegate': ['nobody'] };
    const job = await client.invoke('sender', { to: 'east', agent: 'forever' }, { leaseRequest });
    let leaseId = '';
    void (async () => {
      for await (const question of job.questions()) await question.grant();
    })();
    for await (const event of job) {
      if (event.type === 'lease.granted') leaseId = event.payload.lease_id;
      if (event.type === 'event.emit' && event.payload.name === 'job.handed_over')
        await client.revokeLease(leaseId, 'not any more');
    }
    await expect(job.result()).rejects.toMatchObject({ code: 'LEASE_REVOKED' });
    const there = await clientOf(far);
    expect((await listed(there)).map(({ status }) => status)).toEqual(['cancelled']);
  });
});
