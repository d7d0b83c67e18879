/** What an agent that is hosted elsewhere gives to others: children, whose events it reads, workflows, and acts that are asked for. */
import { describe, expect, it } from 'vitest';
import { defineAgent, type ChildJob, type JobContext } from '../../src/index.js';
import { agentThere, hostScene } from './scene.js';

async function typesOf(events: AsyncIterable<{ readonly type: string }>): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of events) types.push(type);
  return types;
}

const codeOf = (error: unknown): string => (error as { code: string }).code;

/** Tells as much as it is asked to. */
const talker = defineAgent({
  name: 'talker',
  version: '1.0.0',
  run: async (input, ctx) => {
    for (let n = 0; n < (input as { times: number }).times; n += 1) {
      ctx.progress({ current: n, message: `step ${n}` });
      await ctx.flushed();
    }
    return 'said';
  },
});

/** What an agent reads of a child that says `times` things, in process and elsewhere. */
async function readBothWays(
  times: number,
  read: (child: ChildJob, ctx: JobContext) => Promise<unknown>,
): Promise<readonly [unknown, unknown]> {
  const run = async (_input: unknown, ctx: JobContext): Promise<unknown> =>
    read(await ctx.delegate('talker', { arguments: { times } }), ctx);
  const at = await hostScene({
    agents: [talker, defineAgent({ name: 'here', version: '1.0.0', run })],
  });
  await at.host([agentThere(run)]);
  const here = await at.client.invoke('here');
  const there = await at.client.invoke('there');
  return [(await here.result()).value, (await there.result()).value];
}

describe('the events of a child, for an agent that is hosted elsewhere', () => {
  it.each([0, 3, 13, 14, 100])(
    'are those that an agent in process reads, page by page: %i of its own',
    async (times) => {
      const told = async ({ events }: ChildJob): Promise<unknown> => {
        const all: unknown[] = [];
        for await (const { type, payload } of events)
          all.push(type === 'job.progress' ? [type, payload] : type);
        return all;
      };
      const [here, there] = await readBothWays(times, told);
      expect(there).toEqual(here);
      expect(there).toHaveLength(times + 3);
    },
  );

  it('can be read by several, from the beginning, and after its end', async () => {
    const [here, there] = await readBothWays(40, async (child) => {
      const both = await Promise.all([typesOf(child.events), typesOf(child.events)]);
      await child.outcome;
      return [...both, await typesOf(child.events)].map(({ length }) => length);
    });
    expect(there).toEqual(here);
    expect(there).toEqual([43, 43, 43]);
  });

  it('can be left in the middle, and the rest is not sent', async () => {
    const [here, there] = await readBothWays(500, async (child) => {
      let count = 0;
      for await (const event of child.events) if (event.type === 'job.progress' && ++count === 2) break;
      await child.outcome;
      return count;
    });
    expect([here, there]).toEqual([2, 2]);
  });

  it('stop with the job that reads them', async () => {
    const waits = defineAgent({
      name: 'waits',
      version: '1.0.0',
      run: (_input, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
    });
    const at = await hostScene({ agents: [waits] });
    let thrown: unknown;
    await at.host([
      agentThere(async (_input, ctx) => {
        const child = await ctx.delegate('waits', { onParentEnd: 'detach' });
        ctx.progress({ percent: 1 });
        await typesOf(child.events).catch((error: unknown) => {
          thrown = error;
          throw error;
        });
      }),
    ]);
    const job = await at.client.invoke('there');
    for await (const event of job) if (event.type === 'job.progress') break;
    await job.cancel({ reason: 'enough' });
    await expect(job.result()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(codeOf(thrown)).toBe('CANCELLED');
  });
});

describe('what clients are told', () => {
  it('is the same wherever the agent is: progress, questions, and why a permission was not given', async () => {
    const run = async (_input: unknown, ctx: JobContext): Promise<void> => {
      ctx.progress({ current: 1, total: 3 });
      ctx.progress({ current: 1, total: 6 });
      await ctx.ask('Name?', { expiresInMs: 60_000 });
      await ctx.requestPermission({ permission: 'fs.write', resource: '/data/**', operation: 'write' });
    };
    const at = await hostScene({ agents: [defineAgent({ name: 'here', version: '1.0.0', run })] });
    await at.host([agentThere(run)]);
    at.client.on('question', (question) => {
      void (question.request.type === 'permission.request' ? question.decline('no') : question.answer('Ada'));
    });
    const told = async (name: string): Promise<unknown[]> => {
      const all: unknown[] = [];
      for await (const { type, payload } of await at.client.invoke(name))
        if (['job.progress', 'human.input.request', 'job.failed'].includes(type)) all.push([type, payload]);
      return all;
    };
    const here = await told('here');
    expect(await told('there')).toEqual(here);
    expect(here).toHaveLength(4);
  });
});

describe('delegation under a key, by an agent that is hosted elsewhere', () => {
  it('gives a child that failed as it ended where `again` is false, and begins it anew where not', async () => {
    let begun = 0;
    const fails = defineAgent({
      name: 'fails',
      version: '1.0.0',
      run: () => {
        begun += 1;
        throw new Error('no');
      },
    });
    const at = await hostScene({ agents: [fails] });
    await at.host([
      agentThere(async (_input, ctx) => {
        const jobs: string[] = [];
        for (const again of [true, false, false, true]) {
          const child = await ctx.delegate('fails', { key: 'k', again });
          await child.outcome;
          jobs.push(child.jobId);
        }
        return jobs;
      }),
    ]);
    const job = await at.client.invoke('there');
    const [first, second, third, fourth] = (await job.result()).value as string[];
    expect([second, third]).toEqual([first, first]);
    expect(fourth).not.toBe(first);
    expect(begun).toBe(2);
  });
});

describe('a workflow that is hosted elsewhere', () => {
  it('is started by workflow.start, and says what it has come to before it completes', async () => {
    const at = await hostScene({ agents: [talker] });
    const compose = agentThere(
      async (_input, ctx) => {
        const child = await ctx.delegate('talker', { arguments: { times: 1 }, key: 'one' });
        return child.result();
      },
      { kind: 'workflow', recovery: 'restart' },
    );
    await at.host([compose]);
    const job = await at.client.startWorkflow('there', {});
    const own: unknown[] = [];
    for await (const { type, job_id, payload } of job)
      if (job_id === job.id && /complete/.test(type)) own.push([type, payload]);
    expect(own).toEqual([
      ['workflow.complete', { value: 'said' }],
      ['job.completed', { value: 'said' }],
    ]);
  });

  it('has to be one for all who host it, and an agent that is none cannot be started as one', async () => {
    const at = await hostScene();
    await at.host([agentThere(() => 1)]);
    await expect(at.host([agentThere(() => 1, { kind: 'workflow' })])).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: /FAILED_PRECONDITION/,
    });
    await expect((await at.client.startWorkflow('there', {})).result()).rejects.toMatchObject({
      code: 'AGENT_NOT_AVAILABLE',
    });
  });
});

describe('an act that the lease does not cover, of an agent that is hosted elsewhere', () => {
  it('is asked for where the agent says so: granted, it goes on; denied, it is refused', async () => {
    const at = await hostScene();
    const acts = agentThere(
      async (_input, ctx) => [
        await ctx.authorize('net.fetch', 'https://one.example/'),
        await ctx.authorize('net.fetch', 'https://two.example/').catch(codeOf),
      ],
      { uncoveredActs: 'ask' },
    );
    await at.host([acts]);
    at.client.on('question', (question) => {
      if (question.request.type !== 'permission.request') return;
      void (question.request.payload.resource === 'https://one.example/'
        ? question.grant({ leaseSeconds: 60 })
        : question.decline('no'));
    });
    const job = await at.client.invoke(
      'there',
      {},
      { leaseRequest: { 'net.fetch': ['https://none.example/**'] } },
    );
    expect((await job.result()).value).toEqual(['https://one.example/', 'PERMISSION_DENIED']);
  });

  it('does not keep its job from ending when nobody waits for it any more', async () => {
    const at = await hostScene();
    const acts = agentThere(
      async (_input, ctx) => {
        void ctx.authorize('net.fetch', 'https://one.example/').catch(() => undefined);
        await ctx.flushed();
        return 'done';
      },
      { uncoveredActs: 'ask' },
    );
    await at.host([acts]);
    const job = await at.client.invoke(
      'there',
      {},
      { leaseRequest: { 'net.fetch': ['https://none.example/**'] } },
    );
    expect((await job.result()).value).toBe('done');
  });
});
