/** `fleet.run` on a real runtime: what becomes of each task, of runs that are stopped, and of runs whose runtime dies. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client, JobEvent } from '../../../src/client/index.js';
import { untilAborted } from '../../../src/conformance/agents/wait.js';
import { systemClock } from '../../../src/clock.js';
import { evaluateHere } from '../../../src/fleet/scoring/evaluate.js';
import type { RunSummary } from '../../../src/fleet/manager/summary.js';
import { hostFleet, type FleetOptions } from '../../../src/host-fleet.js';
import { defineAgent, memoryStore, type Agent, type JobContext } from '../../../src/index.js';
import { testRuntime, type TestRuntime } from '../../../src/testing/index.js';
import { HAS_WALLS, NEEDS_WALLS } from '../../agents/process/bwrap.js';
import { DATA, lives } from '../../runtime/lives.js';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-fleet-')));
  mkdirSync(join(root, 'work'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const agentNamed = (name: string, run: (ctx: JobContext, task: { readonly id: string }) => unknown): Agent =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input as { readonly id: string }) });

const steady = agentNamed('steady', () => ({ exit_code: 0 }));
const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));

const task = (id: string, more: object = {}): object => ({
  id,
  name: `Task ${id}`,
  instructions: 'do it',
  scorer: { kind: 'exit_code' },
  worker: { role: 'review' },
  retry_policy: { max_attempts: 2, initial_backoff_seconds: 10 },
  ...more,
});

const host = (given: Partial<FleetOptions>): Omit<FleetOptions, 'store'> => ({
  folder: join(root, 'fleet'),
  base: join(root, 'work'),
  env: {},
  random: () => 0,
  evaluate: (question) => Promise.resolve(evaluateHere(question)),
  ...given,
});

interface Fleet extends AsyncDisposable {
  readonly test: TestRuntime;
  readonly client: Client;
}

async function fleetOf(agents: readonly Agent[], options: Partial<FleetOptions> = {}): Promise<Fleet> {
  const store = memoryStore();
  const test = testRuntime({ agents, store });
  const fleet = await hostFleet(test.runtime, { store, clock: test.clock, ...host(options) });
  const client = await test.connect({ principal: 'ada' });
  return {
    test,
    client,
    [Symbol.asyncDispose]: async () => {
      await fleet.close();
      await test.close();
    },
  };
}

interface Story {
  /** `task: state state …` */
  readonly tasks: Readonly<Record<string, string>>;
  readonly run: readonly string[];
  readonly receipts: Readonly<Record<string, string>>;
}

function storyOf(events: readonly JobEvent[]): Story {
  const tasks: Record<string, string> = {};
  const receipts: Record<string, string> = {};
  const run: string[] = [];
  for (const event of events) {
    if (event.type !== 'event.emit') continue;
    const { name, data } = event.payload as { name: string; data: never };
    if (name === 'fleet.run') run.push((data as { status: string }).status);
    if (name !== 'fleet.task') continue;
    const { event: told, receipt } = data as {
      event: { task_id: string; state: string };
      receipt?: { result: string; failure_kind?: string };
    };
    tasks[told.task_id] = `${tasks[told.task_id] ?? ''} ${told.state}`.trim();
    if (receipt === undefined) continue;
    expect(receipts[told.task_id]).toBeUndefined();
    receipts[told.task_id] = [receipt.result, receipt.failure_kind].filter(Boolean).join('/');
  }
  return { tasks, run, receipts };
}

/** Runs it to its end, the clock going on as long as it takes. */
async function runOf(
  { client, test }: Fleet,
  spec: object,
): Promise<{ readonly summary: RunSummary; readonly story: Story }> {
  const job = await client.startWorkflow('fleet.run', spec);
  const events: JobEvent[] = [];
  const read = (async () => {
    for await (const event of job) events.push(event);
  })();
  const ended = { isOver: false };
  const result = job.result().finally(() => (ended.isOver = true));
  result.catch(() => undefined);
  for (let turn = 0; !ended.isOver && turn < 2_000; turn += 1) {
    await test.clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { value } = await result;
  await read;
  return { summary: value as RunSummary, story: storyOf(events) };
}

describe('a run', () => {
  it('completes a task after its verdict, with one receipt, and counts what became of all', async () => {
    await using fleet = await fleetOf([steady]);
    const { summary, story } = await runOf(fleet, {
      name: 'small',
      tasks: [task('a'), task('b')],
      options: { agent: 'steady' },
    });
    expect(summary).toMatchObject({
      name: 'small',
      status: 'completed',
      tasks: { completed: 2, failed: 0, cancelled: 0 },
      results: { pass: 2 },
    });
    expect(summary.receipts?.map(({ task_id, worker_id }) => [task_id, worker_id])).toEqual([
      ['a', 'local-1'],
      ['b', 'local-1'],
    ]);
    expect(story.tasks).toEqual({
      a: 'leased starting running completed',
      b: 'leased starting running completed',
    });
    expect(story.run).toEqual(['queued', 'running', 'completed']);
  });

  it('gives the agent the whole spec, and the places beside it', async () => {
    const seen: unknown[] = [];
    await using fleet = await fleetOf([
      agentNamed('see', (_ctx, input) => (seen.push(input), { exit_code: 0 })),
    ]);
    await runOf(fleet, { ...task('a', { context: ['c'], metadata: { agent: 'see', mine: 1 } }) });
    expect(seen).toMatchObject([
      {
        id: 'a',
        instructions: 'do it',
        context: ['c'],
        metadata: { mine: 1 },
        fleet: { attempt: 1, worker_id: 'local-1', workspace: join(root, 'work') },
      },
    ]);
  });

  it('serves higher priorities first, then in the order of ids, on as many workers as there are', async () => {
    const order: string[] = [];
    await using fleet = await fleetOf([
      agentNamed('note', (_ctx, { id }) => (order.push(id), { exit_code: 0 })),
    ]);
    const tasks = [task('c'), task('a'), task('z', { metadata: { priority: 5 } }), task('b')];
    await runOf(fleet, { tasks, options: { agent: 'note' } });
    expect(order).toEqual(['z', 'a', 'b', 'c']);
  });

  it('tries again what its scorer fails, after the backoff of its policy', async () => {
    const at: number[] = [];
    await using fleet = await fleetOf([
      agentNamed('flaky', () => ({ exit_code: at.push(fleet.test.clock.now()) === 1 ? 3 : 0 })),
    ]);
    const { summary, story } = await runOf(fleet, { tasks: [task('a')], options: { agent: 'flaky' } });
    expect(story.tasks).toEqual({
      a: 'leased starting running failed restarted leased starting running completed',
    });
    expect(story.receipts).toEqual({ a: 'pass' });
    expect(summary.status).toBe('completed');
    // Jittered: half of it where `random` gives 0.
    const waited = (at[1] ?? 0) - (at[0] ?? 0);
    expect(waited).toBeGreaterThanOrEqual(5_000);
    // The clock goes on meanwhile.
    expect(waited).toBeLessThan(10_000);
  });

  it('gives up after the attempts of its policy, and the run has failed', async () => {
    await using fleet = await fleetOf([agentNamed('broken', () => ({ exit_code: 1 }))]);
    const { summary, story } = await runOf(fleet, { tasks: [task('a')], options: { agent: 'broken' } });
    expect(story.receipts).toEqual({ a: 'fail/task' });
    expect(story.tasks['a']).toMatch(/restarted leased starting running failed$/);
    expect(summary).toMatchObject({ status: 'failed', tasks: { completed: 0, failed: 1 } });
  });

  it('times out what takes longer than it may, and frees its worker', async () => {
    await using fleet = await fleetOf([forever, steady]);
    const { story } = await runOf(fleet, {
      tasks: [
        task('hangs', { timeout_seconds: 3, metadata: { agent: 'forever', priority: 1 } }),
        task('other', { metadata: { agent: 'steady' } }),
      ],
    });
    expect(story.receipts).toEqual({ hangs: 'timeout/task', other: 'pass' });
  });

  it('fails what no worker fits and what asks for a file that is not there, without an attempt more', async () => {
    await using fleet = await fleetOf([steady]);
    const { summary, story } = await runOf(fleet, {
      tasks: [
        task('proud', { metadata: { min_trust: 'operator' } }),
        task('needs', { workspace: { required_files: ['missing'] } }),
        task('escapes', { workspace: { environment: { required: ['NOT_SET'] } } }),
      ],
      options: { agent: 'steady' },
    });
    expect(story.tasks).toEqual({
      proud: 'failed',
      needs: 'leased failed',
      escapes: 'leased failed',
    });
    expect(summary.tasks).toEqual({ completed: 0, failed: 3, cancelled: 0 });
  });

  it('tries again what has no agent: a worker that hosts it may come, or come back after a crash', async () => {
    await using fleet = await fleetOf([steady]);
    const tasks = [task('nobody', { metadata: { agent: 'nobody' } })];
    const { story } = await runOf(fleet, { tasks });
    expect(story.tasks).toEqual({
      nobody: 'leased starting failed restarted leased starting failed',
    });
    expect(story.receipts).toEqual({ nobody: 'fail/transport' });
  });

  it('fails work that lacks an expected artifact, and hashes those that it names', async () => {
    writeFileSync(join(root, 'work', 'r.txt'), 'abc');
    await using fleet = await fleetOf([
      agentNamed('writer', (ctx) => {
        ctx.emit('artifact_ref', { kind: 'report', path: 'r.txt' });
        return { exit_code: 0 };
      }),
    ]);
    const { summary, story } = await runOf(fleet, {
      tasks: [
        task('has', { expected_artifacts: ['report'] }),
        task('lacks', { expected_artifacts: ['patch'], retry_policy: { max_attempts: 1 } }),
      ],
      options: { agent: 'writer' },
    });
    expect(story.receipts).toEqual({ has: 'pass', lacks: 'fail/task' });
    expect(summary.receipts?.[0]?.artifacts).toMatchObject([
      { kind: 'report', path: 'r.txt', checksum: expect.stringMatching(/^sha256:ba7816bf/) as string },
    ]);
  });

  it('asks the verifier of the operator, whose answer is the verdict', async () => {
    const verifier = agentNamed('verifier', (_ctx, input) => {
      const { prompt } = input as unknown as { prompt: string };
      return prompt.includes('odd')
        ? 'what?'
        : { result: prompt.includes('bad') ? 'fail' : 'pass', notes: 'n' };
    });
    await using fleet = await fleetOf([steady, verifier]);
    const asks = (id: string, prompt: string) =>
      task(id, { scorer: { kind: 'code_whale_verifier_prompt', prompt }, retry_policy: { max_attempts: 1 } });
    const { story } = await runOf(fleet, {
      tasks: [asks('good', 'is it good'), asks('bad', 'bad'), asks('odd', 'odd')],
      options: { agent: 'steady', verifier: 'verifier' },
    });
    expect(story.receipts).toEqual({ good: 'pass', bad: 'fail/task', odd: 'fail/verifier' });
  });

  it('waits for a person where the scorer is manual, and holds no worker meanwhile', async () => {
    await using fleet = await fleetOf([steady]);
    const ended = runOf(fleet, {
      tasks: [task('judged', { scorer: { kind: 'manual' }, metadata: { priority: 1 } }), task('next')],
      options: { agent: 'steady' },
    });
    for (let turn = 0, answered = false; !answered && turn < 200; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      for await (const question of fleet.client.questions()) {
        expect(question.prompt).toMatch(/^Is the task judged done\?/);
        await question.choose('pass');
        answered = true;
      }
    }
    const { story } = await ended;
    expect(story.receipts).toEqual({ judged: 'pass', next: 'pass' });
  });

  it('refuses a spec with mistakes, telling where they are', async () => {
    await using fleet = await fleetOf([steady]);
    const job = await fleet.client.startWorkflow('fleet.run', {
      tasks: [task('a', { scorer: { kind: 'x' } })],
    });
    await expect(job.result()).rejects.toThrow(/tasks\[0\]\.scorer\.kind: expected one of/);
  });

  it('that is cancelled stops what runs, and gives every task a receipt', async () => {
    await using fleet = await fleetOf([forever]);
    const job = await fleet.client.startWorkflow('fleet.run', {
      tasks: [task('a'), task('b')],
      options: { agent: 'forever' },
    });
    const events: JobEvent[] = [];
    for await (const event of job) {
      events.push(event);
      const { name, data } = event.payload as { name?: string; data?: { event?: { state: string } } };
      if (name === 'fleet.task' && data?.event?.state === 'running') await job.cancel();
    }
    expect(storyOf(events).receipts).toEqual({ a: 'skip', b: 'skip' });
    expect(storyOf(events).run.at(-1)).toBe('cancelled');
    expect(events.at(-1)?.type).toBe('job.cancelled');
  });
});

describe.each(DATA)('a run whose runtime dies, on %s', (_name, data) => {
  it('goes on where it was: no attempt is doubled, none is lost, each task has one receipt (L1)', async () => {
    const begun: string[] = [];
    let hold = true;
    const agents = [
      agentNamed('slow', async (ctx, { id }) => {
        begun.push(id);
        if (hold && id !== 'a') await untilAborted(ctx.signal);
        return { exit_code: 0 };
      }),
    ];
    const all = lives(data(), { agents });
    const fleets: { close(): Promise<void> }[] = [];
    try {
      const first = await all.next({}, 0, async (life) => {
        fleets.push(await hostFleet(life.runtime, { store: life.store, clock: life.clock, ...host({}) }));
      });
      const client = await first.connect({ principal: 'ada' });
      const job = await client.startWorkflow('fleet.run', {
        tasks: [task('a'), task('b'), task('c')],
        options: { agent: 'slow', workers: 2 },
      });
      for (let turn = 0; begun.length < 3 && turn < 200; turn += 1) {
        await first.clock.advance(1);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(begun.toSorted()).toEqual(['a', 'b', 'c']);
      hold = false;
      const second = await all.next({}, first.clock.now(), async (life) => {
        fleets.push(await hostFleet(life.runtime, { store: life.store, clock: life.clock, ...host({}) }));
      });
      const again = await second.connect({ principal: 'ada' });
      const watched = await again.watch(job.id);
      const events: JobEvent[] = [];
      const read = (async () => {
        for await (const event of watched) events.push(event);
      })();
      for (let turn = 0; turn < 60; turn += 1) {
        await second.clock.advance(1_000);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await read;
      const story = storyOf(events);
      expect(story.receipts).toEqual({ a: 'pass', b: 'pass', c: 'pass' });
      expect(story.tasks['a']).toBe('leased starting running completed');
      // The agent says of itself that it cannot be started twice: what was cut off was an attempt, and there is another.
      expect(story.tasks['b']).toMatch(
        /^leased starting (running )?failed restarted leased starting running completed$/,
      );
      expect(begun.toSorted()).toEqual(['a', 'b', 'b', 'c', 'c']);
    } finally {
      for (const fleet of fleets) await fleet.close();
      await all.end();
    }
  });
});

describe('the agent command', () => {
  const command = (id: string, argv: readonly string[], more: object = {}): object =>
    task(id, { worker: {}, retry_policy: { max_attempts: 1 }, metadata: { command: argv }, ...more });

  async function commands(spec: object, env: Record<string, string> = {}) {
    const store = memoryStore();
    const test = testRuntime({ store });
    const fleet = await hostFleet(test.runtime, { store, clock: systemClock, ...host({ env }) });
    try {
      const client = await test.connect({ principal: 'ada' });
      const job = await client.startWorkflow('fleet.run', spec);
      const result = job.result();
      const ended = { isOver: false };
      const over = (): void => void (ended.isOver = true);
      result.then(over, over);
      // Processes take real time, which the runtime's clock has to follow.
      while (!ended.isOver) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        await test.clock.advance(20);
      }
      return (await result).value as RunSummary;
    } finally {
      await fleet.close();
      await test.close();
    }
  }

  const outputs = ({ receipts = [] }: RunSummary): string[] =>
    receipts.flatMap(({ artifacts }) =>
      artifacts.map(({ path }) => readFileSync(join(root, 'fleet', 'evidence', path), 'utf8')),
    );

  it('runs an argv in the workspace, with nothing of our environment but what is allowed', async () => {
    const summary = await commands(
      {
        tasks: [
          command('env', ['sh', '-c', 'pwd; echo "$GIVEN-$HIDDEN"'], {
            workspace: { environment: { allowlist: ['GIVEN'] } },
          }),
        ],
        options: { trust: 'local' },
      },
      { GIVEN: 'yes', HIDDEN: 'no' },
    );
    expect(summary.results.pass).toBe(1);
    expect(outputs(summary)).toEqual([`${join(root, 'work')}\nyes-\n`]);
  });

  it('ends with its exit code; the command of a scorer runs in the same place', async () => {
    const summary = await commands({
      tasks: [
        command('seven', ['sh', '-c', 'exit 7'], { scorer: undefined }),
        command('made', ['sh', '-c', 'echo x > made'], {
          scorer: { kind: 'command', command: 'grep', args: ['x', 'made'] },
        }),
      ],
      options: { trust: 'local' },
    });
    expect(summary.receipts?.map(({ result, score }) => [result, score?.notes])).toEqual([
      ['fail', 'exit code 7'],
      ['pass', undefined],
    ]);
  });

  it('is ended as a group, also where it takes no notice of TERM', async () => {
    const summary = await commands({
      tasks: [
        command('deaf', ['sh', '-c', `trap '' TERM; (sleep 30; touch late) & wait; wait; wait`], {
          timeout_seconds: 1,
        }),
      ],
      options: { trust: 'local' },
    });
    expect(summary.receipts).toMatchObject([{ result: 'timeout' }]);
    expect(existsSync(join(root, 'work', 'late'))).toBe(false);
  });

  describe.skipIf(!HAS_WALLS)(`of a sandboxed worker${NEEDS_WALLS}`, () => {
    it('reads the workspace, writes its own folder and nothing else, and has no network', async () => {
      writeFileSync(join(root, 'work', 'in'), 'read me');
      const script =
        'cat in; touch out 2>/dev/null && echo wrote; echo mine > "$ARCP_FLEET_FOLDER/o"; ls /sys/class/net; test -e /root/.ssh && echo sees';
      const summary = await commands({
        tasks: [command('boxed', ['sh', '-c', script], { scorer: undefined })],
      });
      const { run_id: runId } = summary;
      expect(outputs(summary)[0]).toMatch(/^read me/);
      expect(outputs(summary)[0]).not.toMatch(/wrote|sees|eth/);
      expect(existsSync(join(root, 'work', 'out'))).toBe(false);
      expect(readFileSync(join(root, 'fleet', 'runs', runId, 'boxed', 'o'), 'utf8')).toBe('mine\n');
    });

    it('may write what its author names where its worker may write, and nothing beside it', async () => {
      const script = 'echo 1 > out/a && touch other 2>/dev/null || echo kept';
      const summary = await commands({
        tasks: [command('narrow', ['sh', '-c', script], { workspace: { writable_paths: ['out'] } })],
        options: { trust: 'local' },
      });
      expect(outputs(summary)).toEqual(['kept\n']);
      expect(readFileSync(join(root, 'work', 'out', 'a'), 'utf8')).toBe('1\n');
      expect(existsSync(join(root, 'work', 'other'))).toBe(false);
    });
  });
});
