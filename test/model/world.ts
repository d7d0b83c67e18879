/** The real runtime behind the model's words: sessions whose connections drop, and a process that dies. */
import { expect } from 'vitest';
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import type { Payload } from '../../src/protocol/messages.js';
import { DEFAULT_LIMITS } from '../../src/index.js';
import type { Bench } from '../runtime/bench.js';
import { lives, type Lives } from '../runtime/lives.js';
import type { RawClient } from '../runtime/raw-client.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import type { Model, ModelJob, ModelSession } from './model.js';
import { Puppets } from './puppets.js';
import { below, CURRENCIES, holderOf, remainders, spentBelow } from './tree.js';

/** The name of every charge. */
export const CHARGE = 'cost.test';

const TERMINAL = /^job\.(completed|failed|cancelled)$/;

type Wired = RawClient & { readonly wire: MemoryTransport };

interface RealSession {
  client: Wired;
  token: string;
  /** What the client has: event `n` at `n - 1`. */
  readonly events: AnyEnvelope[];
  /** Frames of the present connection that were looked at. */
  looked: number;
}

export class World {
  readonly puppets = new Puppets();
  readonly jobIds: string[] = [];
  /** The latest of each job. */
  readonly checkpoints = new Map<string, string>();
  readonly #lives: Lives;
  readonly #window: number;
  #bench!: Bench;
  #sessions: RealSession[] = [];

  constructor(data: Parameters<typeof lives>[0], window: number) {
    this.#window = window;
    this.#lives = lives(data, { agents: this.puppets.agents(), limits: { ackWindow: window } });
  }

  async begin(principals: readonly string[]): Promise<void> {
    this.#bench = await this.#lives.next();
    for (const principal of principals) {
      const client = await this.#bench.open(principal);
      this.#sessions.push({ client, token: client.resumeToken, events: [], looked: 0 });
    }
  }

  end(): Promise<void> {
    return this.#lives.end();
  }

  session({ number }: ModelSession): RealSession {
    const session = this.#sessions[number];
    if (session === undefined) throw new Error(`there is no session ${number}`);
    return session;
  }

  client(session: ModelSession): Wired {
    return this.session(session).client;
  }

  jobId({ number }: Pick<ModelJob, 'number'>): string {
    return this.jobIds[number] ?? '';
  }

  settle(): Promise<void> {
    return this.#bench.clock.settle();
  }

  /** Every page of a listing. */
  async list(session: ModelSession, filter: object): Promise<Payload<'session.jobs'>['jobs']> {
    const client = this.client(session);
    const jobs: Payload<'session.jobs'>['jobs'] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const id = client.send('session.list_jobs', {
        filter,
        limit: 3,
        ...(cursor === undefined ? {} : { cursor }),
      });
      const { payload } = await client.next('session.jobs', (frame) => frame.correlation_id === id);
      jobs.push(...payload.jobs);
      cursor = payload.next_cursor;
    }
    return jobs;
  }

  drop(session: ModelSession): void {
    this.look(session);
    this.client(session).wire.destroy();
  }

  async resume(session: ModelSession): Promise<void> {
    const real = this.session(session);
    real.client = this.#bench.raw();
    real.looked = 0;
    const { payload } = await real.client.resume(real.token, real.events.length);
    real.token = payload.resume_token;
    // The old token dies with the first frame: what a crash must not bring back.
    real.client.send('ping', {});
    await real.client.next('pong');
  }

  async crash(): Promise<void> {
    for (const { client } of this.#sessions) client.wire.destroy();
    this.puppets.die();
    this.#bench = await this.#lives.next();
    // Until every job that is started again has waited for its turn.
    await this.#bench.clock.advance(DEFAULT_LIMITS.restartBackoffMs * 2 ** DEFAULT_LIMITS.maxAttempts);
  }

  /** Takes in what has come, and checks that it came in order and without a gap (L3). */
  look(session: ModelSession): void {
    const real = this.session(session);
    const fresh = real.client.events().slice(real.looked);
    real.looked += fresh.length;
    for (const event of fresh) {
      expect(event.event_seq).toBe(real.events.length + 1);
      real.events.push(event);
    }
  }

  /** (L4) What each running job has left is what the model says, and no tree has spent and still holds more than it was given. */
  async checkBudgets(model: Model): Promise<void> {
    for (const root of model.jobs) {
      if (root.parent !== undefined) continue;
      const holders = new Map<string, number>();
      for (const job of below(root)) {
        if (job.status !== 'running') continue;
        const left = await this.puppets.get(this.jobId(job)).ctx.lease.remaining();
        expect(new Map(Object.entries(left).map(([currency, amount]) => [currency, Number(amount)]))).toEqual(
          remainders(job),
        );
        for (const currency of CURRENCIES) {
          const holder = holderOf(job, currency);
          if (holder !== undefined) holders.set(`${holder.number} ${currency}`, Number(left[currency]));
        }
      }
      for (const currency of CURRENCIES) {
        const given = root.budget[currency];
        if (given === undefined) continue;
        let held = 0;
        for (const [holder, left] of holders) if (holder.endsWith(` ${currency}`)) held += left;
        expect(spentBelow(root, currency) + held).toBeLessThanOrEqual(given);
        // Once all have ended, what was not spent is nobody's.
        if (root.status === 'running' && holders.size > 0)
          expect(spentBelow(root, currency) + held).toBe(given);
      }
    }
  }

  /** Holds everything that each connected client has against what the model says that it should have. */
  check(model: Model): void {
    for (const session of model.sessions) {
      if (!session.connected) continue;
      this.look(session);
      const { events } = this.session(session);
      expect(events.length).toBe(model.visible(session));
      for (const { number } of model.jobs) {
        const jobId = this.jobIds[number];
        const theirs = events.filter(({ job_id }) => job_id === jobId).map(({ type }) => type);
        const told = session.told.filter(({ job }) => job === number).map(({ label }) => label);
        expect(theirs).toEqual(told.slice(0, theirs.length));
      }
    }
  }

  /** At the end: what a client that resumes from nothing is told is what was told before, word for word. */
  async replayed(model: Model, session: ModelSession): Promise<void> {
    const real = this.session(session);
    if (!session.connected) {
      await this.resume(session);
      session.connected = true;
    }
    for (const rest = session.told.length; real.events.length < rest;) {
      real.client.send('session.ack', { last_processed_seq: real.events.length });
      await this.settle();
      this.look(session);
    }
    const before = [...real.events];
    const again = this.#bench.raw();
    await again.resume(real.token, 0);
    for (let have = 0; have < before.length; have = again.lastSeq) {
      await this.settle();
      expect(again.lastSeq).toBeGreaterThan(have);
      again.send('session.ack', { last_processed_seq: again.lastSeq });
      if (again.lastSeq >= before.length) break;
    }
    expect(again.events()).toEqual(before);
    this.#checkTrees(model, session, before);
    const ends = new Map(
      before.filter(({ type }) => TERMINAL.test(type)).map((event) => [event.id, event.job_id]),
    );
    expect(new Set(ends.values()).size).toBe(ends.size);
    expect(model.visible(session)).toBeLessThanOrEqual(before.length + this.#window);
  }

  /**
   * Whatever a session was told of trees: a job ends after all below it that are not to live on (H1), and the charges that
   * were told are those that were made (L1).
   */
  #checkTrees(model: Model, session: ModelSession, events: readonly AnyEnvelope[]): void {
    const seen = new Set<string>();
    const over = new Set<ModelJob>();
    const spent = new Map<string, number>();
    for (const event of events) {
      // Who watches what has ended is told it once more.
      if (seen.has(event.id)) continue;
      seen.add(event.id);
      const job = model.jobs[this.jobIds.indexOf(event.job_id ?? '')];
      if (job === undefined) throw new Error(`nobody knows ${event.job_id}`);
      for (let at: ModelJob = job; at.delegation?.onParentEnd === 'cancel' && at.parent !== undefined;) {
        at = at.parent;
        expect(over).not.toContain(at);
      }
      if (TERMINAL.test(event.type)) over.add(job);
      if (event.type === 'metric' && event.payload.name === CHARGE) {
        const account = `${job.number} ${event.payload.unit}`;
        spent.set(account, (spent.get(account) ?? 0) + event.payload.value);
      }
    }
    for (const job of model.jobs) {
      if (job.owner !== session) continue;
      for (const currency of CURRENCIES)
        if (holderOf(job, currency) !== undefined)
          expect(spent.get(`${job.number} ${currency}`) ?? 0).toBe(job.spent.get(currency) ?? 0);
    }
  }
}
