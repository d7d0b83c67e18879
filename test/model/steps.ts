/** What clients and agents do, and what it has to come to. */
import type * as fc from 'fast-check';
import { expect } from 'vitest';
import type { Model, ModelJob, ModelSession } from './model.js';
import type { PuppetName } from './puppets.js';
import { budgetOf, type Amounts } from './tree.js';
import type { World } from './world.js';

export type Step = fc.AsyncCommand<Model, World>;

/** A step that is checked when all of it has happened. */
abstract class Checked implements Step {
  abstract check(model: Readonly<Model>): boolean;
  abstract act(model: Model, world: World): Promise<void>;
  abstract toString(): string;

  async run(model: Model, world: World): Promise<void> {
    await this.act(model, world);
    await world.settle();
    world.check(model);
    await world.checkBudgets(model);
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

  chosen(model: Pick<Model, 'jobs'>): ModelJob {
    const job = model.jobs[this.job % model.jobs.length];
    if (job === undefined) throw new Error('there are no jobs');
    return job;
  }
}

/** A step of a running job. */
export abstract class OfJob extends Checked {
  readonly pick: number;

  constructor(pick: number) {
    super();
    this.pick = pick;
  }

  check(model: Readonly<Model>): boolean {
    return model.running.length > 0;
  }

  chosen(model: Pick<Model, 'running'>): ModelJob {
    const job = model.running[this.pick % model.running.length];
    if (job === undefined) throw new Error('nothing runs');
    return job;
  }
}

export class Submit extends OfSession {
  readonly agent: PuppetName;
  readonly budget: Amounts;

  constructor(pick: number, agent: PuppetName, budget: Amounts) {
    super(pick);
    this.agent = agent;
    this.budget = budget;
  }

  async act(model: Model, world: World): Promise<void> {
    const session = this.session(model);
    const key = `key ${model.jobs.length}`;
    const payload = { cost_budget: budgetOf(this.budget) };
    const id = world.client(session).invoke(this.agent, {}, { idempotency_key: key, payload });
    await world.settle();
    model.submit(session, this.agent, this.budget);
    // A client that may not read further does not see it yet: the listing does.
    const listed = await world.list(session, {});
    const known = new Set(world.jobIds);
    const fresh = listed.filter(({ job_id }) => !known.has(job_id));
    expect(fresh.map(({ agent }) => agent)).toEqual([`${this.agent}@1.0.0`]);
    world.jobIds.push(...fresh.map(({ job_id }) => job_id));
    // The same message again is the same message (RFC 0001 §6.4).
    world.client(session).invoke(this.agent, {}, { idempotency_key: key, id, payload });
  }

  toString(): string {
    return `session ${this.pick} submits ${this.agent} with ${JSON.stringify(this.budget)}`;
  }
}

export class Say extends OfJob {
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

export class End extends OfJob {
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

export class Checkpoint extends OfJob {
  async act(model: Model, world: World): Promise<void> {
    const job = this.chosen(model);
    const mark = job.events.length;
    const id = await world.puppets.get(world.jobId(job)).ctx.checkpoint(mark);
    world.checkpoints.set(world.jobId(job), id);
    job.checkpoint = mark;
    model.happens(job, 'event.emit');
  }

  toString(): string {
    return `job ${this.pick} makes a checkpoint`;
  }
}

/** A client has a job go on from its latest checkpoint, and the attempt that there was is over. */
export class Restore extends OfJob {
  override check(model: Readonly<Model>): boolean {
    if (!super.check(model)) return false;
    const { agent, checkpoint, owner } = this.chosen(model);
    return agent === 'sleeper' && checkpoint !== undefined && owner.connected;
  }

  async act(model: Model, world: World): Promise<void> {
    const job = this.chosen(model);
    const client = world.client(job.owner);
    const checkpoint_id = world.checkpoints.get(world.jobId(job));
    const id = client.send('checkpoint.restore', { checkpoint_id });
    expect((await client.said(id)).type).toBe('ack');
    model.restore(job);
    await world.settle();
    const { attempt, resumedFrom } = world.puppets.get(world.jobId(job)).ctx;
    expect(attempt).toBe(job.attempt);
    expect(resumedFrom?.data).toBe(job.checkpoint);
  }

  toString(): string {
    return `job ${this.pick} is restored`;
  }
}

export class Cancel extends OfSessionAndJob {
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

export class Watch extends OfSessionAndJob {
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

export class List extends OfSession {
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

export class Acknowledge extends OfSession {
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

export class Drop extends OfSession {
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
export class Resume extends OfSession {
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

export class Crash extends Checked {
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
