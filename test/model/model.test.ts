/**
 * Laws L1 to L3 against a small model (`model.ts`): whatever clients ask for, wherever connections drop and whenever the
 * process dies, each session is told exactly what the model says, once, in one numbering.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/index.js';
import { DATA } from '../runtime/lives.js';
import { Model, type ModelJob, type ModelSession } from './model.js';
import type { PuppetName } from './puppets.js';
import { World } from './world.js';

const PRINCIPALS = ['ada', 'ada', 'bob'];
const WINDOW = 12;

type Step = fc.AsyncCommand<Model, World>;

/** A step that is checked when all of it has happened. */
abstract class Checked implements Step {
  abstract check(model: Readonly<Model>): boolean;
  abstract act(model: Model, world: World): Promise<void>;
  abstract toString(): string;

  async run(model: Model, world: World): Promise<void> {
    await this.act(model, world);
    await world.settle();
    world.check(model);
  }
}

abstract class OfSession extends Checked {
  readonly pick: number;

  constructor(pick: number) {
    super();
    this.pick = pick;
  }

  session(model: Readonly<Model>): ModelSession {
    const session = model.sessions[this.pick % model.sessions.length];
    if (session === undefined) throw new Error('there are no sessions');
    return session;
  }

  check(model: Readonly<Model>): boolean {
    return this.session(model).connected;
  }
}

/** A step of a connected session about any job that there ever was. */
abstract class OfSessionAndJob extends OfSession {
  readonly job: number;

  constructor(pick: number, job: number) {
    super(pick);
    this.job = job;
  }

  override check(model: Readonly<Model>): boolean {
    return super.check(model) && model.jobs.length > 0;
  }

  chosen(model: Model): ModelJob {
    const job = model.jobs[this.job % model.jobs.length];
    if (job === undefined) throw new Error('there are no jobs');
    return job;
  }
}

/** A step of a running job. */
abstract class OfJob extends Checked {
  readonly pick: number;

  constructor(pick: number) {
    super();
    this.pick = pick;
  }

  check(model: Readonly<Model>): boolean {
    return model.running.length > 0;
  }

  chosen(model: Model): ModelJob {
    const job = model.running[this.pick % model.running.length];
    if (job === undefined) throw new Error('nothing runs');
    return job;
  }
}

class Submit extends OfSession {
  readonly agent: PuppetName;

  constructor(pick: number, agent: PuppetName) {
    super(pick);
    this.agent = agent;
  }

  async act(model: Model, world: World): Promise<void> {
    const session = this.session(model);
    const key = `key ${model.jobs.length}`;
    const id = world.client(session).invoke(this.agent, {}, { idempotency_key: key });
    await world.settle();
    model.submit(session, this.agent);
    // A client that may not read further does not see it yet: the listing does.
    const listed = await world.list(session, {});
    const known = new Set(world.jobIds);
    const fresh = listed.filter(({ job_id }) => !known.has(job_id));
    expect(fresh.map(({ agent }) => agent)).toEqual([`${this.agent}@1.0.0`]);
    world.jobIds.push(...fresh.map(({ job_id }) => job_id));
    // The same message again is the same message (RFC 0001 §6.4).
    world.client(session).invoke(this.agent, {}, { idempotency_key: key, id });
  }

  toString(): string {
    return `session ${this.pick} submits ${this.agent}`;
  }
}

class Say extends OfJob {
  act(model: Model, world: World): Promise<void> {
    const job = this.chosen(model);
    world.puppets.get(world.jobId(job)).ctx.log('info', `line ${job.events.length}`);
    model.happens(job, 'log');
    return Promise.resolve();
  }

  toString(): string {
    return `job ${this.pick} says something`;
  }
}

class End extends OfJob {
  readonly how: 'completed' | 'failed';

  constructor(pick: number, how: 'completed' | 'failed') {
    super(pick);
    this.how = how;
  }

  act(model: Model, world: World): Promise<void> {
    const job = this.chosen(model);
    const puppet = world.puppets.get(world.jobId(job));
    if (this.how === 'completed') puppet.finish();
    else puppet.fail();
    model.end(job, this.how);
    return Promise.resolve();
  }

  toString(): string {
    return `job ${this.pick} is ${this.how}`;
  }
}

class Checkpoint extends OfJob {
  async act(model: Model, world: World): Promise<void> {
    const job = this.chosen(model);
    const mark = job.events.length;
    await world.puppets.get(world.jobId(job)).ctx.checkpoint(mark);
    job.checkpoint = mark;
    model.happens(job, 'event.emit');
  }

  toString(): string {
    return `job ${this.pick} makes a checkpoint`;
  }
}

class Cancel extends OfSessionAndJob {
  async act(model: Model, world: World): Promise<void> {
    const [session, job] = [this.session(model), this.chosen(model)];
    const client = world.client(session);
    const id = client.send('cancel', { target: 'job', target_id: world.jobId(job) });
    const refused =
      session.principal !== job.owner.principal
        ? 'permission_denied'
        : job.status === 'running'
          ? undefined
          : 'already_terminal';
    if (refused !== undefined) {
      const { payload } = await client.next('cancel.refused', (frame) => frame.correlation_id === id);
      expect(payload.reason).toBe(refused);
      return;
    }
    await client.next('cancel.accepted', (frame) => frame.correlation_id === id);
    model.end(job, 'cancelled');
  }

  toString(): string {
    return `session ${this.pick} cancels job ${this.job}`;
  }
}

class Watch extends OfSessionAndJob {
  async act(model: Model, world: World): Promise<void> {
    const [session, job] = [this.session(model), this.chosen(model)];
    const client = world.client(session);
    const id = client.send('job.subscribe', { job_id: world.jobId(job), history: true });
    if (session.principal !== job.owner.principal) {
      const { payload } = await client.next('nack', (frame) => frame.correlation_id === id);
      expect(payload.code).toBe('PERMISSION_DENIED');
      return;
    }
    const { payload } = await client.next('job.subscribed', (frame) => frame.correlation_id === id);
    expect(payload.current_status).toBe(job.status);
    model.watch(session, job);
  }

  toString(): string {
    return `session ${this.pick} watches job ${this.job}`;
  }
}

class List extends OfSession {
  async act(model: Model, world: World): Promise<void> {
    const session = this.session(model);
    const listed = await world.list(session, {});
    const own = model.jobs.filter(({ owner }) => owner.principal === session.principal);
    expect(new Map(listed.map(({ job_id, status }) => [job_id, status]))).toEqual(
      new Map(own.map((job) => [world.jobId(job), job.status])),
    );
  }

  toString(): string {
    return `session ${this.pick} lists`;
  }
}

class Acknowledge extends OfSession {
  act(model: Model, world: World): Promise<void> {
    const session = this.session(model);
    const have = world.session(session).events.length;
    world.client(session).send('session.ack', { last_processed_seq: have });
    session.acknowledged = Math.max(session.acknowledged, have);
    return Promise.resolve();
  }

  toString(): string {
    return `session ${this.pick} acknowledges`;
  }
}

class Drop extends OfSession {
  act(model: Model, world: World): Promise<void> {
    const session = this.session(model);
    world.drop(session);
    session.connected = false;
    return Promise.resolve();
  }

  toString(): string {
    return `session ${this.pick} drops`;
  }
}

/** Also while the old connection is open. */
class Resume extends OfSession {
  override check(): boolean {
    return true;
  }

  async act(model: Model, world: World): Promise<void> {
    const session = this.session(model);
    if (session.connected) world.look(session);
    const have = world.session(session).events.length;
    await world.resume(session);
    session.connected = true;
    session.acknowledged = Math.max(session.acknowledged, have);
  }

  toString(): string {
    return `session ${this.pick} resumes`;
  }
}

class Crash extends Checked {
  check(): boolean {
    return true;
  }

  async act(model: Model, world: World): Promise<void> {
    for (const session of model.sessions) if (session.connected) world.look(session);
    model.crash();
    await world.crash();
    for (const job of model.running) {
      const { attempt, resumedFrom } = world.puppets.get(world.jobId(job)).ctx;
      expect(attempt).toBe(job.attempt);
      expect(resumedFrom?.data).toBe(job.agent === 'sleeper' ? job.checkpoint : undefined);
    }
  }

  toString(): string {
    return 'the process is killed';
  }
}

const any = fc.nat({ max: 30 });
const steps = [
  fc
    .tuple(any, fc.constantFrom<PuppetName>('mortal', 'phoenix', 'sleeper'))
    .map((given) => new Submit(...given)),
  any.map((pick) => new Say(pick)),
  any.map((pick) => new Say(pick)),
  any.map((pick) => new Checkpoint(pick)),
  fc.tuple(any, fc.constantFrom('completed' as const, 'failed' as const)).map((given) => new End(...given)),
  fc.tuple(any, any).map((given) => new Cancel(...given)),
  fc.tuple(any, any).map((given) => new Watch(...given)),
  any.map((pick) => new List(pick)),
  any.map((pick) => new Acknowledge(pick)),
  any.map((pick) => new Acknowledge(pick)),
  any.map((pick) => new Drop(pick)),
  any.map((pick) => new Resume(pick)),
  any.map((pick) => new Resume(pick)),
  fc.constant(new Crash()),
];

const RUNS = Number(process.env['MODEL_RUNS'] ?? 60);

describe.each(DATA)('a runtime with the %s store', (_name, make) => {
  it(
    'tells every session what the model says, whatever drops and whenever it dies (L1, L2, L3)',
    { timeout: 60_000 + RUNS * 500 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.commands(steps, { maxCommands: 40, size: 'max' }), async (commands) => {
          const world = new World(make(), WINDOW);
          const model = new Model(PRINCIPALS, WINDOW, DEFAULT_LIMITS.maxAttempts);
          try {
            await world.begin(PRINCIPALS);
            await fc.asyncModelRun(() => ({ model, real: world }), commands);
            for (const session of model.sessions) await world.replayed(model, session);
          } finally {
            await world.end();
          }
        }),
        { numRuns: RUNS },
      );
    },
  );
});
