import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareInbox } from '../../../src/fleet/scheduling/inbox-order.js';
import {
  choose,
  DEFAULT_CAPS,
  hostKey,
  isLasting,
  misfit,
  type Candidate,
  type Load,
} from '../../../src/fleet/scheduling/placement.js';
import { backoffCeiling, mayRetry, retryDelay } from '../../../src/fleet/scheduling/retry.js';
import { overlap, writesOf } from '../../../src/fleet/scheduling/writers.js';
import {
  DEFAULT_RETRY_POLICY,
  readFleet,
  type FleetInboxEntry,
  type FleetTaskSpec,
} from '../../../src/protocol/fleet/index.js';

function task(parts: object = {}): FleetTaskSpec {
  return readFleet('task_spec', { id: 't', name: 'T', instructions: 'x', ...parts });
}

describe('a retry', () => {
  it('comes later each time, up to the bound', () => {
    expect([1, 2, 3, 7, 8, 1000].map((attempts) => backoffCeiling(DEFAULT_RETRY_POLICY, attempts))).toEqual([
      5_000, 10_000, 20_000, 300_000, 300_000, 300_000,
    ]);
  });

  it('is allowed as often as the policy says, and the first attempt always', () => {
    expect([0, 1, 2, 3].map((attempts) => mayRetry(DEFAULT_RETRY_POLICY, attempts))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(mayRetry({ ...DEFAULT_RETRY_POLICY, max_attempts: 0 }, 0)).toBe(true);
    expect(mayRetry({ ...DEFAULT_RETRY_POLICY, max_attempts: 0 }, 1)).toBe(false);
  });

  it('waits between half and all of its delay, whatever the policy', () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const policies = fc.record({
      max_attempts: u32,
      initial_backoff_seconds: fc.maxSafeNat(),
      max_backoff_seconds: fc.integer({ min: 0, max: 1e9 }),
      backoff_multiplier: u32,
    });
    const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(policies, u32, randoms, (policy, attempts, random) => {
        const ceiling = backoffCeiling(policy, attempts);
        const delay = retryDelay(policy, attempts, () => random);
        expect(ceiling).toBeLessThanOrEqual(policy.max_backoff_seconds * 1_000);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(ceiling / 2));
        expect(delay).toBeLessThanOrEqual(ceiling);
      }),
    );
  });
});

describe('the inbox', () => {
  const entries = fc.record({
    run_id: fc.constant('r'),
    task_id: fc.constantFrom('a', 'b', 'c'),
    priority: fc.integer({ min: -2, max: 2 }),
    enqueued_at: fc.constantFrom(
      '2026-01-01T00:00:00Z',
      '2026-01-01T01:00:00+01:00',
      '2026-01-01T00:00:01Z',
      'soon',
    ),
    lease_deadline: fc.constant(null),
    attempts: fc.constant(0),
  });

  it('serves the higher priority first, then who waits longer, then by id', () => {
    const entry = (task_id: string, priority: number, second: number): FleetInboxEntry =>
      readFleet('inbox_entry', {
        run_id: 'r',
        task_id,
        priority,
        enqueued_at: `2026-01-01T00:00:0${String(second)}Z`,
      });
    const sorted = [entry('d', 0, 2), entry('c', 0, 1), entry('b', 0, 1), entry('a', -1, 0), entry('e', 9, 5)]
      .toSorted(compareInbox)
      .map(({ task_id }) => task_id);
    expect(sorted).toEqual(['e', 'b', 'c', 'd', 'a']);
  });

  it('has one order, whatever the entries', () => {
    fc.assert(
      fc.property(entries, entries, entries, (a, b, c) => {
        expect(Math.sign(compareInbox(a, b))).toBe(0 - Math.sign(compareInbox(b, a)));
        if (compareInbox(a, b) <= 0 && compareInbox(b, c) <= 0)
          expect(compareInbox(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

function worker(id: string, parts: object = {}, trust: Candidate['trust'] = 'local'): Candidate {
  return { spec: readFleet('worker_spec', { id, name: id, host: { kind: 'local' }, ...parts }), trust };
}

function load(
  counts: Partial<Record<'run', number>> & Partial<Record<'byWorker' | 'byHost' | 'byClass', object>> = {},
): Load {
  const map = (of: object = {}): Map<string, number> => new Map(Object.entries(of) as [string, number][]);
  return {
    run: counts.run ?? 0,
    byWorker: map(counts.byWorker),
    byHost: map(counts.byHost),
    byClass: map(counts.byClass),
  };
}

describe('a worker for a task', () => {
  it('has the capabilities, the labels and the trust that the task needs', () => {
    const why = (parts: object, of: Candidate): unknown => misfit(task(parts), of, load(), DEFAULT_CAPS);
    expect(why({ worker: { capabilities: ['rust'] } }, worker('w'))).toBe('capabilities');
    expect(
      why({ worker: { capabilities: ['rust'] } }, worker('w', { capabilities: ['go', 'rust'] })),
    ).toBeUndefined();
    const labels = { metadata: { worker_labels: { zone: 'a' } } };
    expect(why(labels, worker('w', { labels: { zone: 'b' } }))).toBe('labels');
    expect(why(labels, worker('w', { labels: { zone: 'a', more: 'x' } }))).toBeUndefined();
    expect(why({ metadata: { worker_labels: { constructor: 'a' } } }, worker('w'))).toBe('labels');
    expect(why({ metadata: { min_trust: 'remote-verified' } }, worker('w'))).toBe('trust');
    expect(why({ metadata: { min_trust: 'remote-verified' } }, worker('w', {}, 'operator'))).toBeUndefined();
    expect(['capabilities', 'labels', 'trust', 'host_cap'].map((one) => isLasting(one as 'trust'))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('has room: its own, its host’s, its class’s and the run’s', () => {
    const why = (now: Load, parts: object = {}): unknown =>
      misfit(task(), worker('w', parts), now, DEFAULT_CAPS);
    expect(why(load({ byWorker: { w: 1 } }))).toBe('worker_full');
    expect(why(load({ byWorker: { w: 1 } }), { max_concurrent_tasks: 2 })).toBeUndefined();
    expect(why(load({ run: 4 }))).toBe('run_cap');
    expect(why(load({ byHost: { local: 4 } }))).toBe('host_cap');
    expect(why(load({ byClass: { general: 4 } }))).toBe('class_cap');
    expect(
      misfit(
        task({ metadata: { class: 'x' } }),
        worker('w'),
        load({ byClass: { general: 4 } }),
        DEFAULT_CAPS,
      ),
    ).toBeUndefined();
  });

  it('is the one with the smallest share of its places taken', () => {
    const workers = [worker('c', { max_concurrent_tasks: 4 }), worker('b'), worker('a')];
    const caps = { perRun: 99, perHost: 99, perClass: 99 };
    expect(choose(task(), workers, load(), caps)?.spec.id).toBe('a');
    expect(choose(task(), workers, load({ byWorker: { a: 1 } }), caps)?.spec.id).toBe('b');
    expect(choose(task(), workers, load({ byWorker: { a: 1, b: 1, c: 3 } }), caps)?.spec.id).toBe('c');
    expect(choose(task(), workers, load({ byWorker: { a: 1, b: 1, c: 4 } }), caps)).toBeUndefined();
  });

  it('is on a host that is told apart by where it is', () => {
    const key = (host: object): string => hostKey(readFleet('host_spec', host));
    expect(key({ kind: 'ssh', host: 'A.example' })).toBe(key({ kind: 'ssh', host: 'a.example', port: 22 }));
    expect(key({ kind: 'ssh', host: 'a.example', port: 2222 })).not.toBe(
      key({ kind: 'ssh', host: 'a.example' }),
    );
    expect(key({ kind: 'docker', image: 'x' })).toBe(key({ kind: 'docker', image: 'y' }));
  });

  it('never takes more than any cap allows, in whatever order tasks come', () => {
    const classes = fc.constantFrom('x', 'y');
    const caps = fc.record({
      perRun: fc.integer({ min: 1, max: 6 }),
      perHost: fc.integer({ min: 1, max: 4 }),
      perClass: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(classes, { maxLength: 20 }), caps, (kinds, bounds) => {
        const workers = [
          worker('a', { max_concurrent_tasks: 2 }),
          worker('b', { max_concurrent_tasks: 3 }),
          worker('c', { host: { kind: 'ssh', host: 'h' } }),
        ];
        const counts = {
          run: 0,
          byWorker: new Map<string, number>(),
          byHost: new Map<string, number>(),
          byClass: new Map<string, number>(),
        };
        const add = (map: Map<string, number>, key: string): void =>
          void map.set(key, (map.get(key) ?? 0) + 1);
        for (const kind of kinds) {
          const chosen = choose(task({ metadata: { class: kind } }), workers, counts, bounds);
          if (chosen === undefined) continue;
          counts.run += 1;
          add(counts.byWorker, chosen.spec.id);
          add(counts.byHost, hostKey(chosen.spec.host));
          add(counts.byClass, kind);
        }
        expect(counts.run).toBeLessThanOrEqual(bounds.perRun);
        for (const each of workers) {
          expect(counts.byWorker.get(each.spec.id) ?? 0).toBeLessThanOrEqual(
            each.spec.max_concurrent_tasks ?? 1,
          );
        }
        expect(Math.max(0, ...counts.byHost.values())).toBeLessThanOrEqual(bounds.perHost);
        expect(Math.max(0, ...counts.byClass.values())).toBeLessThanOrEqual(bounds.perClass);
      }),
    );
  });
});

describe('writers', () => {
  const writer = (writable_paths?: string[], root = '/w'): ReturnType<typeof writesOf> =>
    writesOf(task({ workspace: { writable_paths } }), root, true);

  it.each([
    [['src'], ['src/a.ts'], true],
    [['src/a'], ['src/ab'], false],
    [['src'], ['docs'], false],
    [['./src//a'], ['src/a/'], true],
    [['src/**'], ['src/deep/x'], true],
    [['src/*.ts'], ['src/sub/x'], true],
    [['A'], ['a'], true],
    [['caf\u00e9'], ['cafe\u0301'], true],
    [['a', 'b'], ['c', 'b/x'], true],
  ])('of %j and %j meet: %s', (a, b, meet) => {
    expect(overlap(writer(a), writer(b))).toBe(meet);
    expect(overlap(writer(b), writer(a))).toBe(meet);
  });

  it('that name no paths write everything, and tasks that may not write meet nobody', () => {
    expect(overlap(writer(), writer(['x']))).toBe(true);
    expect(overlap(writesOf(task(), '/w', false), writer())).toBe(false);
    expect(overlap(writer(), writer(['x'], '/elsewhere'))).toBe(false);
    expect(overlap(writer(['b/c'], '/a'), writer(['c'], '/a/b'))).toBe(true);
    expect(overlap(writer(undefined, '/a'), writer(['x'], '/a/b'))).toBe(true);
  });

  it('meet exactly where some file is below a path of each', () => {
    const segment = fc.constantFrom('a', 'b');
    const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const paths = fc.array(path, { minLength: 1, maxLength: 3 });
    const below = (file: string, trees: string[]): boolean =>
      trees.some((tree) => file === tree || file.startsWith(`${tree}/`));
    const files = ['a', 'b'].flatMap((x) =>
      ['a', 'b'].flatMap((y) => ['a', 'b'].flatMap((z) => ['a', 'b'].map((w) => `${x}/${y}/${z}/${w}`))),
    );
    fc.assert(
      fc.property(paths, paths, (a, b) => {
        const shared = files.some((file) => below(file, a) && below(file, b));
        expect(overlap(writer(a), writer(b))).toBe(shared);
      }),
    );
  });
});
