/** Agents that are hosted elsewhere, by `host`: what they do there is what they do in process, whatever becomes of the way. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { realTarget } from '../../src/agents/guarded/real-path.js';
import type { Client, Job } from '../../src/client/index.js';
import {
  defineAgent,
  defineTool,
  processAgent,
  type JobContext,
  type RuntimeOptions,
} from '../../src/index.js';
import { agentThere, hostScene, type HostScene, type Run } from './scene.js';

/** Runs it there once, and gives how that ended. */
async function once(
  run: Run,
  {
    runtime = {},
    ...more
  }: Parameters<Client['invoke']>[2] & { runtime?: Omit<RuntimeOptions, 'clock'> } = {},
): Promise<{ value: unknown; job: Job; at: HostScene }> {
  const at = await hostScene(runtime);
  await at.host([agentThere(run)]);
  const job = await at.client.invoke('there', { n: 1 }, more);
  return { value: (await job.result()).value, job, at };
}

async function typesOf(job: Job): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of job) types.push(type);
  return types;
}

describe('an agent that is hosted elsewhere', () => {
  it('knows of its job what it would know in process, and its end is the end of the job', async () => {
    const { value, job, at } = await once(
      (input, ctx) => ({
        input,
        jobId: ctx.jobId,
        agent: ctx.agent,
        principal: ctx.principal,
        attempt: ctx.attempt,
        role: ctx.profile.role,
        lease: ctx.lease,
      }),
      { leaseRequest: { 'fs.read': ['/data/**'] } },
    );
    expect(value).toEqual({
      input: { n: 1 },
      jobId: job.id,
      agent: 'there@1.0.0',
      principal: 'ada',
      attempt: 1,
      role: 'general',
      lease: { capabilities: { 'fs.read': ['/data/**'], 'model.use': ['*'] }, closed: true },
    });
    expect(at.changes.map(({ state }) => state)).toEqual(['started', 'completed']);
  });

  it('tells what it does, in order, and streams its result', async () => {
    const { job } = await once(async (_input, ctx) => {
      ctx.log('info', 'reading', { file: 'a' });
      ctx.progress({ current: 1, total: 4, units: 'files' });
      ctx.metric('files', 1);
      ctx.summarize('read it');
      await ctx.flushed();
      ctx.openResult().end('the text');
    });
    const result = await job.result();
    expect([result.result?.text(), result.summary]).toEqual(['the text', 'read it']);
    expect(await typesOf(job)).toEqual([
      'job.accepted',
      'job.started',
      'log',
      'job.progress',
      'metric',
      'job.result_chunk',
      'job.result_chunk',
      'job.completed',
    ]);
  });

  it('spends within its budget, and is told what is left', async () => {
    const { value } = await once(
      async (_input, ctx) => {
        await ctx.charge('cost.search', '0.30', 'USD');
        const dear = await ctx.charge('cost.search', '0.80', 'USD').catch((error: unknown) => error);
        return { left: await ctx.lease.remaining(), code: (dear as { code: string }).code };
      },
      { budget: ['USD:1.00'] },
    );
    expect(value).toEqual({ left: { USD: '0.7' }, code: 'BUDGET_EXHAUSTED' });
  });

  it('asks before it touches a file, and is refused what the lease does not cover', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'arcp-host-'));
    try {
      const real = await realTarget(folder);
      writeFileSync(join(folder, 'a.txt'), 'inside');
      const { value } = await once(
        async (_input, ctx) => {
          await ctx.fs.writeFile(join(folder, 'b.txt'), 'written');
          const outside = await ctx.fs.readText('/etc/hostname').catch((error: unknown) => error);
          const shell = await ctx.shell(['cat', join(folder, 'a.txt')]).catch((error: unknown) => error);
          return {
            read: await ctx.fs.readText(join(folder, 'a.txt')),
            outside: (outside as { code: string }).code,
            shell: (shell as { code?: string }).code ?? 'ran',
          };
        },
        { leaseRequest: { 'fs.read': [`${real}/**`], 'fs.write': [`${real}/**`] } },
      );
      // The shell of this profile can do anything, which the lease does not allow.
      expect(value).toEqual({ read: 'inside', outside: 'PERMISSION_DENIED', shell: 'PERMISSION_DENIED' });
      expect(readFileSync(join(folder, 'b.txt'), 'utf8')).toBe('written');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('delegates, waits for how its children end, and reads what they streamed', async () => {
    const child = defineAgent({
      name: 'child',
      version: '1.0.0',
      run: (input, ctx) => {
        if (input === 'fail') throw new Error('no');
        ctx.openResult({ encoding: 'base64' }).end(Buffer.alloc(600_000, 7));
      },
    });
    const { value } = await once(
      async (_input, ctx) => {
        const [good, bad] = await ctx.delegateAll([
          { target: 'child', arguments: 'stream' },
          { target: 'child', arguments: 'fail' },
        ]);
        const bytes = good?.status === 'completed' ? await good.result?.bytes() : undefined;
        return [good?.status, bytes?.length, bytes?.[599_999], bad?.status];
      },
      { runtime: { agents: [child] } },
    );
    expect(value).toEqual(['completed', 600_000, 7, 'failed']);
  });

  it('puts artifacts, reads them again, and has one as its result', async () => {
    const { job, value } = await once(async (_input, ctx) => {
      const ref = await ctx.artifact('hello', { mediaType: 'text/plain' });
      const text = await (await ctx.fetchArtifact(ref)).text();
      await ctx.releaseArtifact(ref);
      const gone = await ctx.fetchArtifact(ref).catch((error: unknown) => error);
      ctx.log('info', `${text} ${(gone as { code: string }).code}`);
      ctx.openResult({ as: 'artifact' }).end(Buffer.alloc(2_500_000, 1));
    });
    expect(value).toBeUndefined();
    expect((await job.result()).resultRef?.size).toBe(2_500_000);
    const events = [];
    for await (const event of job) if (event.type === 'log') events.push(event.payload.message);
    expect(events).toEqual(['hello NOT_FOUND']);
  });

  it('opens streams, and reads those that clients open into it', async () => {
    const at = await hostScene();
    const echo: Run = async (_input, ctx) => {
      for await (const stream of ctx.input) {
        const text = await stream.text();
        const out = ctx.openStream({ kind: 'event' });
        out.write({ heard: text });
        out.end();
        return text.length;
      }
      return 0;
    };
    await at.host([agentThere(echo, { takesInput: true })]);
    const job = await at.client.invoke('there');
    const input = await job.openInput({ kind: 'text' });
    for (let n = 0; n < 20; n += 1) await input.write('0123456789');
    await input.end();
    expect((await job.result()).value).toBe(200);
    expect(await typesOf(job)).toContain('stream.close');
  });

  it('asks people, calls tools, and hears what both say', async () => {
    const add = defineTool({ name: 'add', run: (args) => (args as { a: number }).a + 1 });
    const at = await hostScene({ tools: [add] });
    await at.host([
      agentThere(async (_input, ctx) => [
        await ctx.tools.call('add', { a: 1 }),
        await ctx.choose('Which?', [{ id: 'x', label: 'X' }]),
        await ctx.ask('Name?', { schema: { type: 'string' } }),
      ]),
    ]);
    const job = await at.client.invoke('there');
    at.client.on('question', (question) => {
      void (question.request.type === 'human.choice.request' ? question.choose('x') : question.answer('Ada'));
    });
    expect((await job.result()).value).toEqual([2, 'x', 'Ada']);
  });

  it('is not called with arguments that its schema refuses', async () => {
    const at = await hostScene();
    const strict = defineAgent({
      name: 'there',
      version: '1.0.0',
      input: z.object({ n: z.number() }),
      run: ({ n }) => n + 1,
    });
    await at.host([strict]);
    const wrong = await at.client.invoke('there', { n: 'one' });
    await expect(wrong.result()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await (await at.client.invoke('there', { n: 1 })).result()).value).toBe(2);
  });

  it.each([
    ['a value that JSON has no words for', () => 1n],
    ['a result that it does not end', (_: never, ctx: JobContext) => void ctx.openResult().write('a')],
    ['progress that is none', (_: never, ctx: JobContext) => ctx.progress({ percent: 200 })],
    ['what it throws', () => Promise.reject(new Error('broken'))],
    ['a value larger than a frame', () => 'x'.repeat(2_000_000)],
  ])('fails its job by %s', async (_what, run) => {
    await expect(once(run)).rejects.toMatchObject({
      code: expect.stringMatching(
        /INVALID_ARGUMENT|FAILED_PRECONDITION|INTERNAL|RESOURCE_EXHAUSTED/,
      ) as string,
    });
  });

  it('keeps checkpoints, also those that clients ask for, and is resumed from one', async () => {
    const at = await hostScene();
    const run: Run = async (_input, ctx) => {
      if (ctx.resumedFrom !== undefined) return [ctx.attempt, ctx.resumedFrom.data];
      ctx.onCheckpointRequest(() => ({ asked: true }));
      await ctx.checkpoint({ page: 1 });
      ctx.progress({ percent: 1 });
      await new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', reject));
      return undefined;
    };
    await at.host([agentThere(run, { recovery: 'resume' })]);
    const job = await at.client.invoke('there');
    for await (const event of job) if (event.type === 'job.progress') break;
    await at.client.restore(await at.client.checkpoint(job.id));
    expect((await job.result()).value).toEqual([2, { asked: true }]);
    expect(at.changes.map(({ state, attempt }) => `${attempt} ${state}`)).toEqual([
      '1 started',
      '1 failed',
      '2 started',
      '2 completed',
    ]);
  });

  it('is stopped by its signal when the job is cancelled', async () => {
    const at = await hostScene();
    let reason: unknown;
    await at.host([
      agentThere(
        (_input, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reason = signal.reason;
              reject(signal.reason as Error);
            });
          }),
      ),
    ]);
    const job = await at.client.invoke('there');
    await job.cancel({ reason: 'enough' });
    await expect(job.result()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(reason).toMatchObject({ code: 'CANCELLED' });
  });

  it('shows that it lives as long as it works', async () => {
    const at = await hostScene();
    let finish: (value: string) => void = () => undefined;
    await at.host([agentThere(() => new Promise((resolve) => (finish = resolve)))]);
    const job = await at.client.invoke('there');
    await at.test.clock.advance(150_000);
    finish('late');
    expect((await job.result()).value).toBe('late');
  });
});

describe('a host', () => {
  it('goes on after a drop, and nothing is lost or done twice (D1)', async () => {
    const at = await hostScene();
    const gates: (() => void)[] = [];
    const gate = (): Promise<void> => new Promise((resolve) => gates.push(resolve));
    await at.host([
      agentThere(async (_input, ctx) => {
        ctx.progress({ percent: 10 });
        await gate();
        ctx.progress({ percent: 50 });
        await ctx.charge('cost.work', '0.25', 'USD');
        return ctx.lease.remaining();
      }),
    ]);
    const job = await at.client.invoke('there', {}, { budget: ['USD:1.00'] });
    await at.test.clock.settle();
    at.lines.at(-1)?.destroy();
    await at.test.clock.settle();
    gates[0]?.();
    await at.test.clock.advance(10_000);
    expect((await job.result()).value).toEqual({ USD: '0.75' });
    expect(at.lines.length).toBe(2);
    const told = [];
    for await (const event of job) if (event.type === 'job.progress') told.push(event.payload.percent);
    expect(told).toEqual([10, 50]);
  });

  it('that was away for too long stops what others do now, and is there for what comes next', async () => {
    const at = await hostScene();
    const stuck = agentThere(
      (_input, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
      { recovery: 'restart' },
    );
    let isThere = true;
    const away = await at.host([stuck], {
      dial: () => {
        if (!isThere) return Promise.reject(new Error('no way'));
        const line = at.test.dial();
        at.lines.push(line);
        return Promise.resolve(line);
      },
    });
    const job = await at.client.invoke('there');
    await at.test.clock.settle();
    isThere = false;
    at.lines.at(-1)?.destroy();
    await at.test.clock.advance(61_000);
    await at.host([agentThere((_input, ctx) => ctx.attempt, { recovery: 'restart' })]);
    expect((await job.result()).value).toBe(2);
    isThere = true;
    await at.test.clock.advance(20_000);
    expect(at.changes).toContainEqual(expect.objectContaining({ jobId: job.id, attempt: 1, state: 'lost' }));
    expect(away.jobs).toBe(0);
  });

  it('whose job was given to another while it was away learns so when it is back, and stops', async () => {
    const at = await hostScene();
    const stuck = agentThere(
      (_input, { signal, attempt }) =>
        attempt > 1
          ? attempt
          : new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => {
                reject(signal.reason as Error);
              });
            }),
      { recovery: 'restart' },
    );
    let isThere = true;
    await at.host([stuck], {
      dial: () => {
        if (!isThere) return Promise.reject(new Error('no way'));
        const line = at.test.dial();
        at.lines.push(line);
        return Promise.resolve(line);
      },
    });
    const job = await at.client.invoke('there');
    await at.test.clock.settle();
    isThere = false;
    at.lines.at(-1)?.destroy();
    await at.host([stuck]);
    await at.test.clock.advance(6_000);
    expect((await job.result()).value).toBe(2);
    isThere = true;
    await at.test.clock.advance(10_000);
    expect(at.changes.map(({ attempt, state }) => `${attempt} ${state}`)).toEqual([
      '1 started',
      '2 started',
      '2 completed',
      '1 lost',
    ]);
  });

  it('drains: what runs is finished, nothing new is given, and then the session ends (D2)', async () => {
    const at = await hostScene();
    let finish: (value: string) => void = () => undefined;
    const worker = await at.host([agentThere(() => new Promise((resolve) => (finish = resolve)))]);
    const job = await at.client.invoke('there');
    await at.test.clock.settle();
    const closing = worker.close();
    await at.test.clock.settle();
    const refused = await at.client.invoke('there');
    await expect(refused.result()).rejects.toMatchObject({ code: 'AGENT_NOT_AVAILABLE' });
    finish('finished');
    await closing;
    expect((await job.result()).value).toBe('finished');
  });

  it('gives up what is not finished in time, and its agents are stopped', async () => {
    const at = await hostScene();
    let stopped = false;
    const worker = await at.host([
      agentThere(
        (_input, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              stopped = true;
              reject(signal.reason as Error);
            });
          }),
      ),
    ]);
    const job = await at.client.invoke('there');
    await at.test.clock.settle();
    await worker.close({ drainMs: 0 });
    await expect(job.result()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(stopped).toBe(true);
  });

  it('whose principal may not host is told so at once', async () => {
    const at = await hostScene();
    await (await at.test.connect({ principal: 'eve' })).close();
    await expect(at.host([agentThere(() => 1)], { token: 'eve' })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: /may not host/,
    });
  });

  it('does not take what a runtime cannot be told of (UNIMPLEMENTED)', async () => {
    const at = await hostScene();
    const program = processAgent({ name: 'there', version: '1.0.0', command: 'true' });
    await expect(at.host([program])).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
  });

  it('stops an agent that says more than can wait (L7)', async () => {
    await expect(
      once((_input, ctx) => {
        for (let n = 0; n < 20_000; n += 1) ctx.progress({ percent: 1 });
      }),
    ).rejects.toMatchObject({ code: 'BACKPRESSURE_OVERFLOW' });
  });
});
