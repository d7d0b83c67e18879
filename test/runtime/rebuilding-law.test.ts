/**
 * Law L3 across lives, as a property: whatever a session watched and whenever the process was killed, the next runtime
 * tells it the same events under the same numbers, and goes on telling it what it watches.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent, type Limits } from '../../src/index.js';
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import type { Bench } from './bench.js';
import { DATA, lives } from './lives.js';
import type { RawClient } from './raw-client.js';

const SESSIONS = 3;
/** So that one event looks the same whenever it is told. */
const OPT_IN = { extensions: ['arcpx.arcp.delegate.v1'] };
const TERMINAL = /^job\.(completed|failed|cancelled)$/;

/** Numbers choose among what there is. */
type Step =
  | { readonly do: 'invoke'; readonly who: number; readonly key?: number }
  | { readonly do: 'child' | 'unwatch'; readonly who: number; readonly job: number }
  | { readonly do: 'say' | 'end' | 'spawn'; readonly job: number }
  | { readonly do: 'watch'; readonly who: number; readonly job: number; readonly from?: number }
  | { readonly do: 'subscribe'; readonly who: number; readonly filter: number; readonly since?: number }
  | { readonly do: 'unsubscribe'; readonly who: number; readonly sub: number }
  | { readonly do: 'turns' | 'age'; readonly count: number }
  | { readonly do: 'settle' | 'crash' };

const who = fc.nat({ max: SESSIONS - 1 });
const job = fc.nat({ max: 9 });
const some = fc.nat({ max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('invoke' as const), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('invoke' as const), who, key: fc.nat({ max: 2 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('child' as const, 'unwatch' as const), who, job }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('say' as const, 'say' as const, 'end' as const, 'spawn' as const),
      job,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('watch' as const), who, job }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('watch' as const), who, job, from: some }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('subscribe' as const), who, filter: fc.nat({ max: 3 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('subscribe' as const),
      who,
      filter: fc.nat({ max: 3 }),
      since: some,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), who, sub: some }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('turns' as const, 'age' as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'settle' as const, 'crash' as const) }),
  },
);

/** What a client was told, over all connections of its session. */
class Told {
  client: RawClient;
  readonly events: AnyEnvelope[] = [];
  readonly faults: string[] = [];
  /** Jobs that it asked for or watches, and subscriptions that it has and what they are for. */
  readonly jobs = new Set<string>();
  readonly subscriptions = new Map<string, number>();
  hasUnwatched = false;
  readonly #asked = new Map<string, number>();
  #taken = 0;

  constructor(client: RawClient) {
    this.client = client;
  }

  subscribe(filter: number, payload: object): void {
    this.#asked.set(this.client.send('subscribe', payload), filter);
  }

  look(): void {
    for (const frame of this.client.seen(() => true).slice(this.#taken)) {
      this.#taken += 1;
      const { type, event_seq: seq, job_id: jobId } = frame;
      if (type === 'subscribe.accepted') {
        this.subscriptions.set(
          frame.payload.subscription_id,
          this.#asked.get(frame.correlation_id ?? '') ?? 0,
        );
      } else if (type === 'job.subscribed') {
        this.jobs.add(frame.payload.job_id);
      }
      if (seq === undefined) continue;
      if (seq !== this.events.length + 1) this.faults.push(`${seq} came after ${this.events.length}`);
      this.events.push(frame);
      if (type === 'job.accepted' && jobId !== undefined) this.jobs.add(jobId);
      if (type === 'subscribe.closed') this.subscriptions.delete(frame.payload.subscription_id);
    }
  }

  /** Comes back to the next life. */
  async resume(life: Bench): Promise<void> {
    const token = this.client.resumeToken;
    this.client = life.raw();
    this.#taken = 0;
    await this.client.resume(token, this.events.length);
  }

  /** Has everything told again that is kept behind one of the events, and compares. */
  async compare(life: Bench, after: number, isAllKept: boolean): Promise<void> {
    const client = life.raw();
    const since = isAllKept ? 0 : this.events.length;
    await client.resume(this.client.resumeToken, since);
    this.client = client;
    if (!isAllKept && this.events.length > 0) {
      const id = this.events[after % this.events.length]?.id;
      client.send('resume', { after_message_id: id });
    }
    await life.clock.settle();
    this.#taken = client.seen(() => true).length;
    for (const event of client.events()) {
      const before = this.events[(event.event_seq ?? 0) - 1];
      expect(plain(event)).toEqual(before === undefined ? undefined : plain(before));
    }
    if (isAllKept) expect(client.events()).toHaveLength(this.events.length);
  }
}

/** Where the event was in its own session is forgotten with that session's older events. */
function plain(event: AnyEnvelope): unknown {
  if (event.type !== 'subscribe.event') return event;
  const { event_seq: _number, ...inner } = event.payload.event;
  return { ...event, payload: { event: inner } };
}

const filters = (jobId: string | undefined): object[] => [
  {},
  { types: ['job.completed', 'job.failed'] },
  { types: ['log'] },
  { job_id: jobId === undefined ? [] : [jobId] },
];

async function play(
  data: (typeof DATA)[number],
  steps: readonly Step[],
  limits: Partial<Limits>,
  after: number,
): Promise<void> {
  const controls = new Map<string, { say: () => void; end: () => void; spawn: () => void }>();
  const talker = defineAgent({
    name: 'talker',
    version: '1.0.0',
    run: (_input, ctx) =>
      new Promise((resolve) => {
        controls.set(ctx.jobId, {
          say: () => ctx.log('info', 'x'),
          spawn: () => void ctx.delegate('talker').catch(() => undefined),
          end: () => {
            controls.delete(ctx.jobId);
            resolve('done');
          },
        });
      }),
  });
  const all = lives(data[1](), { agents: [talker], limits });
  try {
    let life = await all.next();
    const told: Told[] = [];
    while (told.length < SESSIONS) told.push(new Told(await life.open('ada', OPT_IN)));
    const jobs: string[] = [];
    const look = (): void => {
      for (const one of told) {
        one.look();
        for (const id of one.jobs) if (!jobs.includes(id)) jobs.push(id);
      }
    };
    const crash = async (): Promise<void> => {
      await life.clock.settle();
      look();
      controls.clear();
      life = await all.next();
      for (const one of told) await one.resume(life);
      await life.clock.settle();
      look();
    };
    for (const one of [...steps, { do: 'crash' } as const]) {
      const actor = told['who' in one ? one.who : 0];
      const jobId = 'job' in one ? jobs[one.job % Math.max(1, jobs.length)] : undefined;
      const control = jobId === undefined ? undefined : controls.get(jobId);
      if (actor === undefined) continue;
      if (one.do === 'invoke') {
        actor.client.invoke('talker', {}, one.key === undefined ? {} : { idempotency_key: `k${one.key}` });
      } else if (one.do === 'child' && jobId !== undefined) {
        actor.client.send('agent.delegate', { target: 'talker', task: 'talk' }, { job_id: jobId });
      } else if (one.do === 'watch' && jobId !== undefined) {
        const history = one.from === undefined ? {} : { history: true, from_event_seq: one.from };
        actor.client.send('job.subscribe', { job_id: jobId, ...history });
      } else if (one.do === 'unwatch' && jobId !== undefined) {
        actor.client.send('job.unsubscribe', { job_id: jobId });
        actor.hasUnwatched = true;
      } else if (one.do === 'subscribe') {
        const since =
          one.since === undefined ? undefined : actor.events[one.since % (actor.events.length || 1)];
        actor.subscribe(one.filter, {
          filter: filters(jobs[0])[one.filter],
          ...(since === undefined ? {} : { since: { after_message_id: since.id } }),
        });
      } else if (one.do === 'unsubscribe') {
        const ids = [...actor.subscriptions.keys()];
        const id = ids[one.sub % Math.max(1, ids.length)];
        if (id !== undefined) actor.client.send('unsubscribe', { subscription_id: id });
      } else if (one.do === 'say') control?.say();
      else if (one.do === 'end') control?.end();
      else if (one.do === 'spawn') control?.spawn();
      else if (one.do === 'turns') for (let n = 0; n < one.count; n += 1) await Promise.resolve();
      else if (one.do === 'age') await life.clock.advance(1_000 * one.count);
      else if (one.do === 'crash') await crash();
      else await life.clock.settle();
      look();
    }
    // What was running has failed: every session that watched it was told so by this life.
    const witness = told[0];
    witness?.client.invoke('talker', {});
    await life.clock.settle();
    for (const { end } of [...controls.values()]) end();
    await life.clock.settle();
    look();
    for (const one of told) {
      expect(one.faults).toEqual([]);
      for (const [id, filter] of one.subscriptions) {
        if (filter > 1) continue;
        const last = one.events.findLast(({ subscription_id }) => subscription_id === id);
        expect(last).toMatchObject({ payload: { event: { type: 'job.completed' } } });
      }
      // Who watched a job no more may not have been told how the jobs below it ended.
      const accepted = one.hasUnwatched ? [] : one.events.filter(({ type }) => type === 'job.accepted');
      for (const { job_id: id } of accepted) {
        const ends = one.events.filter(({ type, job_id: of }) => of === id && TERMINAL.test(type));
        expect(ends.length).toBeGreaterThan(0);
      }
    }
    for (const one of told) await one.compare(life, after, limits.finishedJobTtlMs === undefined);
  } finally {
    await all.end();
  }
}

describe.each(DATA)('a session after the process was killed, with the %s store', (...data) => {
  const numRuns = data[0] === 'memory' ? 120 : 10;

  it('was told the very same under the very same numbers, and is told on what it watches (L3)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), some, (steps, after) =>
        play(data, steps, {}, after),
      ),
      { numRuns },
    );
  }, 120_000);

  it('keeps its numbering while jobs and parts of its own log are forgotten (L3, L7)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60 }),
        some,
        fc.constantFrom(2_000, 1_000_000),
        (steps, after, maxSessionLogBytes) =>
          play(data, steps, { finishedJobTtlMs: 5_000, maxSessionLogBytes }, after),
      ),
      { numRuns },
    );
  }, 120_000);
});
