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
    const ends = new Map(
      before.filter(({ type }) => TERMINAL.test(type)).map((event) => [event.id, event.job_id]),
    );
    expect(new Set(ends.values()).size).toBe(ends.size);
    expect(model.visible(session)).toBeLessThanOrEqual(before.length + this.#window);
  }
}
