/** What operators tell a run that goes on, and what it shows, over the protocol: `fleet.control` and `fleet.show`. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client, Job } from '../../../src/client/index.js';
import { untilAborted } from '../../../src/conformance/agents/wait.js';
import type { RunSummary } from '../../../src/fleet/manager/summary.js';
import type { RunView, TaskView } from '../../../src/fleet/views/run-view.js';
import type { TasksAnswer } from '../../../src/fleet/views/show.js';
import { evaluateHere } from '../../../src/fleet/scoring/evaluate.js';
import { hostFleet } from '../../../src/host-fleet.js';
import { defineAgent, memoryStore, type JobContext } from '../../../src/index.js';
import { testRuntime, type TestRuntime } from '../../../src/testing/index.js';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-fleet-')));
  mkdirSync(join(root, 'work'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Works until it is let go by its task's id. */
class Gate {
  readonly #open = new Map<string, () => void>();
  readonly begun: string[] = [];
  readonly agent = defineAgent({
    name: 'gate',
    version: '1.0.0',
    run: async (input: unknown, ctx: JobContext) => {
      const { id } = input as { readonly id: string };
      this.begun.push(id);
      await Promise.race([new Promise<void>((go) => this.#open.set(id, go)), untilAborted(ctx.signal)]);
      return { exit_code: 0 };
    },
  });

  let(id: string): void {
    this.#open.get(id)?.();
  }
}

const task = (id: string, more: object = {}): object => ({
  id,
  name: `Task ${id}`,
  instructions: 'do it',
  worker: { role: 'review' },
  scorer: { kind: 'exit_code' },
  ...more,
});

interface Fleet extends AsyncDisposable {
  readonly test: TestRuntime;
  readonly client: Client;
  readonly gate: Gate;
  run(spec: object): Promise<Job>;
  ask<T>(agent: string, args: object): Promise<T>;
  /** Lets time go on until it holds. */
  until(holds: () => boolean | Promise<boolean>): Promise<void>;
}

async function fleetOf(): Promise<Fleet> {
  const store = memoryStore();
  const gate = new Gate();
  const spender = defineAgent({
    name: 'spender',
    version: '1.0.0',
    run: async (_input, ctx) => {
      ctx.metric('cpu_percent', 12.5);
      ctx.emit('model_call', { model: 'small', extra: { tokens: 7 } });
      ctx.emit('tool_call', { tool: 'grep', call_id: 'c1' });
      await ctx.charge('cost.search', '0.25', 'USD');
      return { exit_code: 0 };
    },
  });
  const test = testRuntime({ agents: [gate.agent, spender], store });
  const fleet = await hostFleet(test.runtime, {
    store,
    clock: test.clock,
    folder: join(root, 'fleet'),
    base: join(root, 'work'),
    env: {},
    random: () => 0,
    evaluate: (question) => Promise.resolve(evaluateHere(question)),
  });
  const client = await test.connect({ principal: 'ada' });
  return {
    test,
    client,
    gate,
    run: (spec) => client.startWorkflow('fleet.run', { options: { agent: 'gate' }, ...spec }),
    ask: async <T>(agent: string, args: object) =>
      (await (await client.invoke(agent, args)).result()).value as T,
    until: async (holds) => {
      for (let turn = 0; turn < 2_000; turn += 1) {
        if (await holds()) return;
        await test.clock.advance(100);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      throw new Error('it never held');
    },
    [Symbol.asyncDispose]: async () => {
      await fleet.close();
      await test.close();
    },
  };
}

const show = (fleet: Fleet, run: string): Promise<RunView> => fleet.ask('fleet.show', { show: 'run', run });

/** Resolves with the summary, time going on meanwhile. */
async function summaryOf(fleet: Fleet, job: Job): Promise<RunSummary> {
  const ended = { is: false };
  const result = job.result().finally(() => (ended.is = true));
  result.catch(() => undefined);
  await fleet.until(() => ended.is);
  return (await result).value as RunSummary;
}

describe('a run that goes on', () => {
  it('shows what is true now, and pages of its tasks; to nobody else', async () => {
    await using fleet = await fleetOf();
    const tasks = Array.from({ length: 120 }, (_, index) => task(`t${index}`));
    const job = await fleet.run({ name: 'many', tasks });
    await fleet.until(() => fleet.gate.begun.length === 1);
    expect(await show(fleet, 'latest')).toMatchObject({
      run_id: job.id,
      name: 'many',
      status: 'running',
      tasks: { total: 120, queued: 119, running: 1, completed: 0 },
      workers: [{ worker_id: 'local-1', status: 'busy', tasks: 1 }],
      running: [{ task_id: 't0', attempt: 1, status: 'running' }],
    });
    const page = await fleet.ask<TasksAnswer>('fleet.show', { show: 'tasks', run: job.id, from: 70 });
    expect(page.tasks).toHaveLength(50);
    expect(page.tasks[0]?.task_id).toBe('t70');
    expect(page.next).toBeUndefined();
    const stranger = await fleet.test.connect({ principal: 'eve' });
    const theirs = await stranger.invoke('fleet.show', { show: 'run', run: job.id });
    await expect(theirs.result()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const told = await stranger.invoke('fleet.control', { action: 'pause', run: job.id });
    await expect(told.result()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await job.cancel();
  });

  it('leases nothing while it is paused, and goes on after', async () => {
    await using fleet = await fleetOf();
    const job = await fleet.run({ tasks: [task('a'), task('b')] });
    await fleet.until(() => fleet.gate.begun.length === 1);
    expect(await fleet.ask('fleet.control', { action: 'pause', run: job.id })).toMatchObject({
      status: 'paused',
    });
    fleet.gate.let('a');
    await fleet.until(async () => (await show(fleet, job.id)).tasks.completed === 1);
    expect(fleet.gate.begun).toEqual(['a']);
    await expect(fleet.ask('fleet.control', { action: 'pause', run: job.id })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await fleet.ask('fleet.control', { action: 'resume', run: job.id });
    await fleet.until(() => fleet.gate.begun.length === 2);
    fleet.gate.let('b');
    expect(await summaryOf(fleet, job)).toMatchObject({ status: 'completed' });
    expect(await show(fleet, job.id)).toMatchObject({
      status: 'completed',
      tasks: { completed: 2 },
      workers: [{ status: 'offline' }],
    });
  });

  it('gives a drained worker nothing until it is told otherwise, and fails what only retired ones could do', async () => {
    await using fleet = await fleetOf();
    const job = await fleet.run({ tasks: [task('a'), task('b'), task('c')] });
    await fleet.until(() => fleet.gate.begun.length === 1);
    const worker = { run: job.id, worker: 'local-1' };
    expect(await fleet.ask('fleet.control', { action: 'drain', ...worker })).toMatchObject({
      workers: [{ status: 'draining' }],
    });
    fleet.gate.let('a');
    await fleet.until(async () => (await show(fleet, job.id)).tasks.completed === 1);
    expect(fleet.gate.begun).toEqual(['a']);
    await fleet.ask('fleet.control', { action: 'undrain', ...worker });
    await fleet.until(() => fleet.gate.begun.length === 2);
    expect(await fleet.ask('fleet.control', { action: 'retire', ...worker })).toMatchObject({
      workers: [{ status: 'retired' }],
    });
    fleet.gate.let('b');
    const { receipts } = await summaryOf(fleet, job);
    expect(receipts?.map(({ result }) => result)).toEqual(['pass', 'pass', 'fail']);
    expect(receipts?.[2]?.score?.notes).toBe('no worker fits: all are retired');
  });

  it('cancels a task that is interrupted, whether it runs or waits, with a receipt', async () => {
    await using fleet = await fleetOf();
    const job = await fleet.run({ tasks: [task('a'), task('b')] });
    await fleet.until(() => fleet.gate.begun.length === 1);
    const command = { action: 'interrupt', run: job.id };
    await expect(fleet.ask('fleet.control', { ...command, task: 'a', attempt: 2 })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'the task a is at attempt 1, not 2',
    });
    await expect(fleet.ask('fleet.control', { ...command, task: 'z' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await fleet.ask('fleet.control', { ...command, task: 'b' });
    await fleet.ask('fleet.control', { ...command, task: 'a', attempt: 1 });
    const summary = await summaryOf(fleet, job);
    expect(summary).toMatchObject({ status: 'cancelled', tasks: { cancelled: 2 }, results: { skip: 2 } });
    expect(fleet.gate.begun).toEqual(['a']);
  });

  it('begins a task anew, whether it runs or has ended, each time with its policy’s attempts', async () => {
    await using fleet = await fleetOf();
    const job = await fleet.run({ tasks: [task('a'), task('b')], options: { agent: 'gate', workers: 2 } });
    await fleet.until(() => fleet.gate.begun.length === 2);
    await fleet.ask('fleet.control', { action: 'restart', run: job.id, task: 'a' });
    await fleet.until(() => fleet.gate.begun.length === 3);
    fleet.gate.let('a');
    await fleet.until(async () => (await show(fleet, job.id)).tasks.completed === 1);
    await fleet.ask('fleet.control', { action: 'restart', run: job.id, task: 'a' });
    await fleet.until(() => fleet.gate.begun.length === 4);
    fleet.gate.let('a');
    fleet.gate.let('b');
    expect(await summaryOf(fleet, job)).toMatchObject({ status: 'completed', tasks: { completed: 2 } });
    const view = await fleet.ask<TaskView>('fleet.show', { show: 'task', run: job.id, task: 'a' });
    expect(view).toMatchObject({ attempt: 3, status: 'completed', receipt: { result: 'pass' } });
  });

  it('tells what its worker waits for and measures, and adds up what it cost', async () => {
    await using fleet = await fleetOf();
    const job = await fleet.run({ tasks: [task('a')], options: { agent: 'spender' } });
    const told: object[] = [];
    const read = (async () => {
      for await (const event of job) {
        const payload = event.payload as { name?: string; data?: { event: object } };
        if (payload.name === 'fleet.task' && payload.data !== undefined) told.push(payload.data.event);
      }
    })();
    await summaryOf(fleet, job);
    await read;
    expect(told).toMatchObject([
      { state: 'leased', seq: 1 },
      { state: 'starting', seq: 2 },
      { state: 'running', seq: 3 },
      { state: 'heartbeat', cpu_percent: 12.5, seq: 4 },
      { state: 'model_wait', model: 'small', extra: { tokens: 7 }, seq: 5 },
      { state: 'running_tool', tool: 'grep', call_id: 'c1', seq: 6 },
      { state: 'completed', exit_code: 0, seq: 7 },
    ]);
    expect(await show(fleet, job.id)).toMatchObject({ cost: { USD: '0.25' } });
  });
});
