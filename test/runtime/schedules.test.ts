/** Schedules: what is taken, when it fires, and that each occurrence has one job, whatever happens to the runtime meanwhile. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { defineAgent, memoryStore, type RuntimeOptions } from '../../src/index.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench } from './bench.js';
import { DATA, lives, type Lives } from './lives.js';
import type { RawClient } from './raw-client.js';

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });

const invocation = (payload: object = {}) => ({
  type: 'tool.invoke',
  payload: { tool: 'echo', arguments: { n: 1 }, ...payload },
});

async function schedule(client: RawClient, when: object, job: object = invocation(), extra: object = {}) {
  const id = client.send('job.schedule', { job, when }, { ...extra });
  const { payload } = await client.next('ack', (frame) => frame.correlation_id === id);
  return payload.schedule_id ?? '';
}

async function refusal(client: RawClient, payload: unknown, extra: object = {}) {
  const id = client.send('job.schedule', payload, { ...extra });
  return (await client.next('nack', (frame) => frame.correlation_id === id)).payload;
}

async function list(client: RawClient) {
  const id = client.send('session.list_schedules', {});
  return (await client.next('session.schedules', (frame) => frame.correlation_id === id)).payload.schedules;
}

/** When the jobs of a schedule were due that a principal has. */
async function fired(client: RawClient, scheduleId: string): Promise<string[]> {
  const id = client.send('session.list_jobs', {});
  const { payload } = await client.next('session.jobs', (frame) => frame.correlation_id === id);
  const own = payload.jobs.filter(({ schedule_id }) => schedule_id === scheduleId);
  return own.map(({ created_at }) => created_at);
}

describe('a schedule', () => {
  it.each([
    ['at', { at: '2026-01-01T01:00:00+01:00' }, 0],
    ['at', { at: '2026-01-01T00:05:00Z' }, 5 * MINUTE],
    ['after', { after: 90.5 }, 90_500],
  ])('fires once, %s %j', async (_kind, when, afterMs) => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    const command = client.send('job.schedule', { job: invocation(), when }, { trace_id: 'trace' });
    const ack = await client.next('ack');
    expect(ack.payload).toMatchObject({ ack_for: command, note: ack.payload.schedule_id });
    await test.clock.advance(afterMs - 1);
    if (afterMs > 0) expect(client.seen('job.accepted')).toEqual([]);
    await test.clock.advance(1);
    const { payload, correlation_id } = await client.next('job.accepted');
    expect(correlation_id).toBe(command);
    expect(payload).toMatchObject({
      schedule_id: ack.payload.schedule_id,
      scheduled_for: new Date(START + afterMs).toISOString(),
      trace_id: 'trace',
    });
    expect(await client.terminal(payload.job_id)).toMatchObject({ payload: { value: { n: 1 } } });
    expect(await list(client)).toMatchObject([{ status: 'done', last_job_id: payload.job_id }]);
    await test.clock.advance(2 * HOUR);
    expect(client.seen('job.accepted')).toHaveLength(1);
    expect(await list(client)).toEqual([]);
  });

  it('fires by a rule, each time with a lease and a budget of its own', async () => {
    const spender = defineAgent({
      name: 'echo',
      version: '1.0.0',
      run: async (_input, ctx) => {
        await ctx.charge('cost', '0.75', 'USD');
        return ctx.lease.remaining();
      },
    });
    await using test = bench({ agents: [spender] });
    const client = await test.open();
    const when = { every: 'FREQ=HOURLY;COUNT=3' };
    const id = await schedule(client, when, invocation({ cost_budget: ['USD:1'] }));
    expect(await list(client)).toMatchObject([
      {
        schedule_id: id,
        status: 'active',
        agent: 'echo',
        type: 'tool.invoke',
        when,
        next_at: '2026-01-01T00:00:00.000Z',
      },
    ]);
    await test.clock.advance(5 * HOUR);
    const ends = client.seen('job.completed').map(({ payload }) => payload);
    expect(ends).toMatchObject([1, 2, 3].map(() => ({ value: { USD: '0.25' } })));
    expect(
      client.seen('job.accepted').map(({ payload }) => (payload as { scheduled_for?: string }).scheduled_for),
    ).toEqual([0, 1, 2].map((hour) => new Date(START + hour * HOUR).toISOString()));
  });

  it('fires for its principal when its session is long gone', async () => {
    await using test = bench({ agents: [echo], limits: { resumeWindowMs: 1_000 } });
    const first = await test.open();
    const id = await schedule(first, { after: 60 });
    first.wire.destroy();
    await test.clock.advance(MINUTE);
    const later = await test.open();
    expect(await fired(later, id)).toEqual(['2026-01-01T00:01:00.000Z']);
    expect(await list(later)).toMatchObject([{ schedule_id: id, status: 'done' }]);
    const stranger = await test.open('bob');
    expect(await list(stranger)).toEqual([]);
    expect(await fired(stranger, id)).toEqual([]);
  });

  it('can be cancelled by its principal only, and once; what had started goes on', async () => {
    const slow = defineAgent({
      name: 'echo',
      version: '1.0.0',
      run: () => new Promise((resolve) => setImmediate(resolve)),
    });
    await using test = bench({ agents: [slow] });
    const [client, bob] = [await test.open(), await test.open('bob')];
    const target_id = await schedule(client, { every: 'FREQ=HOURLY' });
    const cancel = { target: 'schedule', target_id };
    bob.send('cancel', cancel);
    expect((await bob.next('cancel.refused')).payload.reason).toBe('permission_denied');
    await test.clock.advance(1);
    client.send('cancel', cancel);
    expect((await client.next('cancel.accepted')).payload).toEqual(cancel);
    expect(await client.next('job.completed')).toBeDefined();
    expect(await list(client)).toMatchObject([{ status: 'cancelled' }]);
    client.send('cancel', cancel);
    expect((await client.next('cancel.refused')).payload.reason).toBe('already_terminal');
    client.send('cancel', { target: 'schedule', target_id: 'sched_none' });
    expect((await client.next('cancel.refused')).payload.reason).toBe('not_found');
    await test.clock.advance(5 * HOUR);
    expect(client.seen('job.accepted')).toHaveLength(1);
  });

  it('is made once under one key (decision 11)', async () => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    const extra = { idempotency_key: 'once' };
    const id = await schedule(client, { after: 60 }, invocation(), extra);
    expect(await schedule(client, { after: 60 }, invocation(), extra)).toBe(id);
    const other = await refusal(client, { job: invocation(), when: { after: 61 } }, extra);
    expect(other.code).toBe('DUPLICATE_KEY');
    expect(await schedule(await test.open('bob'), { after: 60 }, invocation(), extra)).not.toBe(id);
    expect(await list(client)).toHaveLength(1);
  });

  it.each([
    ['no time', {}, invocation(), 'INVALID_ARGUMENT'],
    ['two times', { after: 1, at: '2027-01-01T00:00:00Z' }, invocation(), 'INVALID_ARGUMENT'],
    ['a time that is past', { at: '2025-12-31T23:59:59Z' }, invocation(), 'INVALID_ARGUMENT'],
    ['a time beyond the horizon', { at: '2526-01-01T00:00:00Z' }, invocation(), 'INVALID_ARGUMENT'],
    ['a wait beyond any calendar', { after: 9e15 }, invocation(), 'INVALID_ARGUMENT'],
    ['a rule that is none', { every: 'daily' }, invocation(), 'INVALID_ARGUMENT'],
    [
      'a rule that never fires',
      { every: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30' },
      invocation(),
      'INVALID_ARGUMENT',
    ],
    [
      'a rule that fires too often',
      { every: 'FREQ=SECONDLY;INTERVAL=9' },
      invocation(),
      'RESOURCE_EXHAUSTED',
    ],
    ['a command of another kind', { after: 1 }, { type: 'job.schedule', payload: {} }, 'UNIMPLEMENTED'],
    ['a workflow without a name', { after: 1 }, { type: 'workflow.start', payload: {} }, 'INVALID_ARGUMENT'],
    ['a command without its payload', { after: 1 }, { type: 'tool.invoke', payload: {} }, 'INVALID_ARGUMENT'],
    ['a malformed agent', { after: 1 }, invocation({ tool: 'Bad@' }), 'INVALID_ARGUMENT'],
    ['a malformed budget', { after: 1 }, invocation({ cost_budget: ['much'] }), 'INVALID_ARGUMENT'],
  ])('is refused with %s', async (_what, when, job, code) => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    expect((await refusal(client, { job, when })).code).toBe(code);
    expect(await list(client)).toEqual([]);
  });

  it('is refused to the anonymous, whose principal ends with its session, and beyond the limit', async () => {
    await using test = bench({ agents: [echo], authenticators: [], limits: { maxSchedulesPerPrincipal: 2 } });
    const payload = { job: invocation(), when: { after: 60 } };
    expect((await refusal(await test.open('nobody'), payload)).code).toBe('PERMISSION_DENIED');
    const client = await test.open();
    await schedule(client, { after: 10 });
    await schedule(client, { after: 60 });
    expect((await refusal(client, payload)).code).toBe('RESOURCE_EXHAUSTED');
    await test.clock.advance(10_000);
    await schedule(client, { after: 60 });
    expect((await list(client)).map(({ status }) => status)).toEqual(['active', 'active']);
  });

  it('tries again what has no room for the moment, and notes what can never be started', async () => {
    let release = (): void => undefined;
    const hold = defineAgent({
      name: 'hold',
      version: '1.0.0',
      run: () => new Promise<void>((resolve) => (release = resolve)),
    });
    const limits = { maxRunningJobsPerPrincipal: 1, maxQueuedJobsPerPrincipal: 1, scheduleRetryMs: 1_000 };
    await using test = bench({ agents: [echo, hold], limits });
    const client = await test.open();
    await client.accepted('hold');
    await client.accepted('echo');
    const id = await schedule(client, { after: 1 });
    const late = await schedule(
      client,
      { after: 2 },
      invocation({ lease_request: { expires_at: '2026-01-01T00:00:01Z' } }),
    );
    await test.clock.advance(2_500);
    expect(await fired(client, id)).toEqual([]);
    release();
    await test.clock.advance(1_000);
    expect(await fired(client, id)).toHaveLength(1);
    const listed = await list(client);
    expect(listed.find(({ schedule_id }) => schedule_id === late)).toMatchObject({
      status: 'done',
      last_error: { code: 'INVALID_REQUEST' },
    });
  });

  it('is listed page by page', async () => {
    await using test = bench({ agents: [echo], limits: { listPageSize: 2 } });
    const client = await test.open();
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      ids.push(await schedule(client, { after: 60 + n }));
      await test.clock.advance(1);
    }
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const asked = client.send('session.list_schedules', { cursor });
      const { payload } = await client.next('session.schedules', (frame) => frame.correlation_id === asked);
      found.push(...payload.schedules.map(({ schedule_id }) => schedule_id));
      cursor = payload.next_cursor;
    }
    expect(found).toEqual(ids);
    client.send('session.list_schedules', { cursor: 'x' });
    expect((await client.next('nack')).payload.code).toBe('INVALID_ARGUMENT');
  });
});

/** So that every job can be looked at in the end. */
const KEEP = { finishedJobTtlMs: 1e12, listPageSize: 10_000 };

/** The id of the job that is the occurrence at this minute. */
function occurrence(scheduleId: string, minute: number): string {
  return `${scheduleId.replace('sched', 'job')}-${(START + minute * MINUTE).toString(36)}`;
}

async function jobs(client: RawClient): Promise<string[]> {
  const id = client.send('session.list_jobs', {});
  const { payload } = await client.next('session.jobs', (frame) => frame.correlation_id === id);
  return payload.jobs.map(({ job_id }) => job_id);
}

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store', (_name, make) => {
  const start = (options: Omit<RuntimeOptions, 'clock' | 'store'> = {}): Lives =>
    (current = lives(make(), { agents: [echo], ...options }));

  it('what was acknowledged is there after a crash, and what was missed is caught up once (H3)', async () => {
    const all = start({ limits: KEEP });
    const first = await all.next();
    const client = await first.open();
    const hourly = await schedule(client, { every: 'DTSTART:20260101T003000Z\nRRULE:FREQ=HOURLY' });
    const once = await schedule(client, { after: 60 });
    const gone = await schedule(client, { after: 120 });
    client.send('cancel', { target: 'schedule', target_id: gone });
    await client.next('cancel.accepted');
    const second = await all.next({}, START + 5 * HOUR);
    await second.clock.advance(2 * HOUR);
    const later = await second.open();
    expect(await fired(later, once)).toHaveLength(1);
    expect(await fired(later, gone)).toEqual([]);
    // One for 00:30 to 04:30, then 05:30 and 06:30.
    expect(await fired(later, hourly)).toEqual([
      '2026-01-01T05:00:00.000Z',
      '2026-01-01T05:30:00.000Z',
      '2026-01-01T06:30:00.000Z',
    ]);
  });

  it('the session that scheduled sees its jobs in its numbering, before a crash and after it (L3)', async () => {
    const all = start();
    const first = await all.next();
    const client = await first.open();
    await schedule(client, { every: 'DTSTART:20260101T000100Z\nRRULE:FREQ=MINUTELY;COUNT=2' });
    await first.clock.advance(90_000);
    const before = client.events();
    expect(before.map(({ type }) => type)).toEqual(['job.accepted', 'job.started', 'job.completed']);
    const second = await all.next({}, START + 90_000);
    const resumed = second.raw();
    await resumed.resume(client.resumeToken, 0);
    await second.clock.advance(MINUTE);
    expect(resumed.events().slice(0, 3)).toEqual(before);
    expect(resumed.events().map(({ event_seq }) => event_seq)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('for any rule and any crashes: each occurrence once at most, none lost, what was missed once (H2, H3)', async () => {
    const minutes = fc.integer({ min: 1, max: 200 });
    const lifeOf = fc.record({ up: minutes, down: minutes });
    const rule = fc.record({
      interval: fc.integer({ min: 1, max: 40 }),
      first: fc.integer({ min: 1, max: 60 }),
      count: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(rule, fc.array(lifeOf, { minLength: 1, maxLength: 4 }), async (rules, spans) => {
        const all = lives(make(), { agents: [echo], limits: KEEP });
        try {
          const { interval, first, count } = rules;
          const stop = count === undefined ? '' : `;COUNT=${count}`;
          const begin = new Date(START + first * MINUTE).toISOString().slice(11, 19).replaceAll(':', '');
          const every = `DTSTART:20260101T${begin}Z\nRRULE:FREQ=MINUTELY;INTERVAL=${interval}${stop}`;
          const due = (from: number, to: number): number[] =>
            Array.from({ length: count ?? 2_000 }, (_, n) => first + n * interval).filter(
              (at) => at > from && at <= to,
            );
          let now = 0;
          let upFrom = 0;
          let scheduleId = '';
          const expected: string[] = [];
          let seen: string[] = [];
          for (const { up, down } of spans) {
            const life = await all.next({}, START + now * MINUTE);
            const client = await life.open();
            if (scheduleId === '') scheduleId = await schedule(client, { every });
            await life.clock.advance(up * MINUTE);
            // What was missed fires at once, by its latest occurrence.
            const missed = due(upFrom, now).slice(-1);
            expected.push(...[...missed, ...due(now, now + up)].map((at) => occurrence(scheduleId, at)));
            seen = await jobs(client);
            upFrom = now + up;
            now = upFrom + down;
          }
          expect(seen.toSorted()).toEqual(expected.toSorted());
        } finally {
          await all.end();
        }
      }),
      { numRuns: 12 },
    );
  }, 60_000);
});

describe('a store that refuses to move a schedule on, once its job is there', () => {
  function scene() {
    const inner = memoryStore();
    const state = { refuses: false };
    const store = () =>
      wrapStore(inner, {
        durable: true,
        append(group) {
          const moves = group.some((write) => write.kind === 'document' && write.key.startsWith('schedule/'));
          if (state.refuses && moves) throw new Error('no room');
          return inner.append(group);
        },
        close: () => undefined,
      });
    return { state, store };
  }

  it('is asked again until it does, and no second job is started (H2)', async () => {
    const { state, store } = scene();
    await using test = bench({ agents: [echo], store: store() });
    await test.runtime.recover();
    const client = await test.open();
    await schedule(client, { after: 60 });
    state.refuses = true;
    await test.clock.advance(2 * MINUTE);
    expect(await list(client)).toMatchObject([{ status: 'active' }]);
    expect(await jobs(client)).toHaveLength(1);
    state.refuses = false;
    await test.clock.advance(MINUTE);
    expect(await list(client)).toMatchObject([{ status: 'done' }]);
    expect(await jobs(client)).toHaveLength(1);
  });

  it('and a crash then: the next life finds the job, and starts none (H2)', async () => {
    const { state, store } = scene();
    const first = bench({ agents: [echo], store: store() });
    await first.runtime.recover();
    const client = await first.open();
    await schedule(client, { after: 60 });
    state.refuses = true;
    await first.clock.advance(MINUTE);
    const before = await jobs(client);
    state.refuses = false;
    await using second = bench({ agents: [echo], store: store() });
    await second.clock.advance(MINUTE);
    await second.runtime.recover();
    await second.clock.advance(0);
    const later = await second.open();
    expect(await list(later)).toMatchObject([{ status: 'done', last_job_id: before[0] }]);
    expect(await jobs(later)).toEqual(before);
  });
});
