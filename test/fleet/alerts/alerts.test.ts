import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { summaryOf, type Alert, type Occurrence } from '../../../src/fleet/alerts/alert.js';
import { readiness } from '../../../src/fleet/alerts/alert-policy.js';
import { Alerts, rehearse, type AlertsOptions } from '../../../src/fleet/alerts/alerts.js';
import type { Delivery } from '../../../src/fleet/alerts/post.js';
import {
  FLEET_ALERT_EVENT_CLASSES,
  readFleet,
  type FleetAlertChannel,
  type FleetAlertPolicy,
} from '../../../src/protocol/fleet/index.js';
import { memoryStore } from '../../../src/store/memory.js';
import { sqliteStore } from '../../../src/store/sqlite/sqlite-store.js';
import type { Store } from '../../../src/store/store.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const ROUTING_KEY = 'R0UT1NGKEYR0UT1NGKEY';
const HOOK = 'https://hooks.example/T0KEN';

function policy(parts: object = {}): FleetAlertPolicy {
  return readFleet('alert_policy', { channels: [{ kind: 'webhook', url: HOOK }], ...parts });
}

const clockStart = Date.UTC(2026, 0, 1);

function occurrence(parts: Partial<Occurrence> = {}): Occurrence {
  return {
    class: 'stale',
    runId: 'run-1',
    runName: 'nightly',
    taskId: 'lint',
    workerId: 'w-1',
    attempt: 1,
    at: clockStart,
    ...parts,
  };
}

/** Alerts whose deliveries the test decides. */
class Desk {
  readonly clock = new FakeClock(clockStart);
  readonly sent: { readonly alert: Alert; readonly channel: FleetAlertChannel; readonly at: number }[] = [];
  answer: () => Delivery | Promise<Delivery> = () => ({ kind: 'delivered' });
  readonly alerts: Alerts;

  constructor(store: Store = memoryStore(), parts: Partial<AlertsOptions> = {}) {
    this.alerts = new Alerts({
      store,
      clock: this.clock,
      random: () => 0.5,
      redact: (text) => text.replaceAll('hunter2', '<secret>'),
      send: async (alert, channel) => {
        this.sent.push({ alert, channel, at: this.clock.now() - clockStart });
        return await this.answer();
      },
      ...parts,
    });
  }
}

describe('a policy', () => {
  const when = (given: FleetAlertPolicy, what: Partial<Occurrence>): unknown =>
    readiness(given, occurrence(what), clockStart);

  it('wants the classes that it names, or all', () => {
    for (const each of FLEET_ALERT_EVENT_CLASSES) {
      expect(when(policy(), { class: each })).toEqual({ kind: 'now' });
      expect(when(policy({ events: [each] }), { class: each })).toEqual({ kind: 'now' });
      const others = FLEET_ALERT_EVENT_CLASSES.filter((other) => other !== each);
      expect(when(policy({ events: others }), { class: each })).toEqual({ kind: 'never', why: 'class' });
    }
  });

  it('waits for an attempt, but not with what has none', () => {
    const later = policy({ after_attempts: 3 });
    expect(when(later, { attempt: 2 })).toEqual({ kind: 'never', why: 'attempts' });
    expect(when(later, { attempt: 3 })).toEqual({ kind: 'now' });
    expect(when(later, { class: 'run_completed', taskId: undefined, attempt: 0 })).toEqual({ kind: 'now' });
  });

  it('waits until a task has been stale for long enough', () => {
    const patient = policy({ after_minutes_stale: 10 });
    const since = clockStart - 9 * 60_000;
    expect(when(patient, { staleSince: since })).toEqual({ kind: 'later', at: clockStart + 60_000 });
    expect(when(patient, { staleSince: since - 60_000 })).toEqual({ kind: 'now' });
    expect(when(patient, { class: 'needs_human' })).toEqual({ kind: 'now' });
  });
});

describe('alerts', () => {
  it('of every class are told, in one sentence', async () => {
    const desk = new Desk();
    for (const each of FLEET_ALERT_EVENT_CLASSES) {
      await desk.alerts.raise(occurrence({ class: each, detail: 'x' }), policy());
    }
    await desk.alerts.settled();
    expect(desk.sent.map(({ alert }) => alert.class)).toEqual([...FLEET_ALERT_EVENT_CLASSES]);
    expect(desk.sent[0]?.alert.summary).toBe('task lint of run nightly on w-1 gives no sign of life: x');
    const whole = { class: 'run_completed', taskId: undefined, workerId: undefined } as const;
    expect(summaryOf(occurrence(whole))).toBe('run nightly has ended');
    expect(summaryOf(occurrence({ detail: 'x'.repeat(5_000) }))).toHaveLength(1_024);
  });

  it('go to every channel of the policy, once for each attempt (A1)', async () => {
    const desk = new Desk();
    const both = policy({
      channels: [
        { kind: 'webhook', url: HOOK },
        { kind: 'pager_duty', routing_key: ROUTING_KEY, severity: 'error' },
      ],
    });
    const first = await desk.alerts.raise(occurrence(), both);
    expect(first.map(({ outcome }) => outcome)).toEqual(['now', 'now']);
    const together = await Promise.all([
      desk.alerts.raise(occurrence(), both),
      desk.alerts.raise(occurrence({ attempt: 2 }), both),
      desk.alerts.raise(occurrence({ attempt: 2 }), both),
    ]);
    expect(together[0].map(({ outcome }) => outcome)).toEqual(['told_already', 'told_already']);
    const outcomes = together.slice(1).flatMap((raised) => raised.map(({ outcome }) => outcome));
    expect(outcomes.sort()).toEqual(['now', 'now', 'told_already', 'told_already']);
    await desk.alerts.settled();
    expect(desk.sent).toHaveLength(4);
    expect(new Set(desk.sent.map(({ alert }) => alert.id)).size).toBe(4);
  });

  it('are sent again when that failed, later each time, with the same id, until they are given up (A2)', async () => {
    const desk = new Desk(memoryStore(), { limits: { maxAlertAttempts: 4 } });
    desk.answer = () => ({ kind: 'failed', why: 'down' });
    await desk.alerts.raise(occurrence(), policy());
    await desk.clock.advance(3_600_000);
    // Three quarters of 1, 2 and 4 seconds.
    expect(desk.sent.map(({ at }) => at)).toEqual([0, 750, 2_250, 5_250]);
    expect(new Set(desk.sent.map(({ alert }) => alert.id)).size).toBe(1);
    expect(desk.alerts.pending).toBe(0);
    expect((await desk.alerts.raise(occurrence(), policy()))[0]?.outcome).toBe('told_already');
  });

  it('wait as long as the endpoint asks, and not longer than the bound', async () => {
    const desk = new Desk();
    const answers: Delivery[] = [
      { kind: 'failed', why: '429', afterMs: 20_000 },
      { kind: 'failed', why: '429', afterMs: 900_000 },
      { kind: 'delivered' },
    ];
    desk.answer = () => answers.shift() ?? { kind: 'delivered' };
    await desk.alerts.raise(occurrence(), policy());
    await desk.clock.advance(3_600_000);
    expect(desk.sent.map(({ at }) => at)).toEqual([0, 20_000, 320_000]);
  });

  it('that are refused are not repeated', async () => {
    const desk = new Desk();
    desk.answer = () => ({ kind: 'refused', why: '410' });
    await desk.alerts.raise(occurrence(), policy());
    await desk.clock.advance(3_600_000);
    expect(desk.sent).toHaveLength(1);
    expect(desk.alerts.pending).toBe(0);
  });

  it('are delivered a few at a time, and are refused where too many wait (L7)', async () => {
    const desk = new Desk(memoryStore(), { limits: { maxAlertsInFlight: 2, maxAlertsPending: 5 } });
    let open = 0;
    let most = 0;
    const releases: (() => void)[] = [];
    desk.answer = async () => {
      most = Math.max(most, (open += 1));
      await new Promise<void>((resolve) => releases.push(resolve));
      open -= 1;
      return { kind: 'delivered' };
    };
    for (let attempt = 1; attempt <= 5; attempt += 1)
      await desk.alerts.raise(occurrence({ attempt }), policy());
    await expect(desk.alerts.raise(occurrence({ attempt: 6 }), policy())).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
    });
    for (let round = 0; round < 10 && desk.alerts.pending > 0; round += 1) {
      await desk.clock.settle();
      for (const release of releases.splice(0)) release();
      await desk.clock.settle();
    }
    expect([most, desk.sent.length, desk.alerts.pending]).toEqual([2, 5, 0]);
  });

  it('are not sent where the store did not take them (L2)', async () => {
    const store = memoryStore();
    const desk = new Desk({ ...bound(store), append: () => Promise.reject(new Error('disk full')) });
    const twice = await Promise.allSettled([
      desk.alerts.raise(occurrence(), policy()),
      desk.alerts.raise(occurrence(), policy()),
    ]);
    expect(twice.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(desk.alerts.raise(occurrence(), policy())).rejects.toThrow('disk full');
    await desk.alerts.settled();
    expect(desk.sent).toEqual([]);
  });

  it('take secrets out of what agents said', async () => {
    const desk = new Desk();
    await desk.alerts.raise(occurrence({ detail: 'login with hunter2 failed' }), policy());
    await desk.alerts.settled();
    expect(desk.sent[0]?.alert.summary).toContain('login with <secret> failed');
  });
});

function bound(store: Store): Store {
  return Object.assign(Object.create(store) as Store, {
    append: store.append.bind(store),
    documents: store.documents.bind(store),
  });
}

describe('alerts and restarts', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'arcp-alerts-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('what was told is not told again, and what was not is told by the next life (A1)', async () => {
    const channels = policy().channels;
    const first = sqliteStore({ folder });
    const before = new Desk(first);
    await before.alerts.raise(occurrence(), policy());
    await before.alerts.settled();
    before.answer = () => ({ kind: 'failed', why: 'down' });
    await before.alerts.raise(occurrence({ attempt: 2 }), policy());
    await before.alerts.settled();
    before.alerts.close();
    await first.close();

    const second = sqliteStore({ folder });
    const after = new Desk(second);
    expect(await after.alerts.recover('run-1', channels)).toBe(1);
    expect(await after.alerts.recover('run-1', channels), 'a second time').toBe(0);
    expect(await after.alerts.recover('run-2', channels)).toBe(0);
    expect((await after.alerts.raise(occurrence(), policy()))[0]?.outcome).toBe('told_already');
    expect((await after.alerts.raise(occurrence({ attempt: 2 }), policy()))[0]?.outcome).toBe('told_already');
    await after.clock.advance(10_000);
    expect(after.sent.map(({ alert }) => [alert.attempt, alert.id])).toEqual([[2, before.sent[1]?.alert.id]]);
    after.alerts.close();
    await second.close();
  });

  it('a run whose alerts are forgotten begins anew, and others keep theirs', async () => {
    const store = memoryStore();
    const desk = new Desk(store);
    await desk.alerts.raise(occurrence(), policy());
    await desk.alerts.raise(occurrence({ runId: 'run-10' }), policy());
    await desk.alerts.settled();
    await desk.alerts.forget('run-1');
    expect(await store.documents('fleet/alerts/')).toHaveLength(1);
  });

  it('nothing that is stored or shown holds a routing key or a URL (A3)', async () => {
    const store = sqliteStore({ folder });
    const desk = new Desk(store);
    const both = policy({
      channels: [
        { kind: 'slack', url: HOOK },
        { kind: 'pager_duty', routing_key: ROUTING_KEY, severity: 'error' },
      ],
    });
    desk.answer = () => ({ kind: 'refused', why: 'no' });
    const raised = await desk.alerts.raise(occurrence(), both);
    await desk.alerts.settled();
    const shown = JSON.stringify([
      raised,
      rehearse(occurrence(), both, clockStart),
      await store.documents(''),
    ]);
    await store.close();
    const kept = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
    for (const secret of [ROUTING_KEY, 'T0KEN']) {
      expect(shown).not.toContain(secret);
      for (const text of kept) expect(text).not.toContain(secret);
    }
    expect(raised.map(({ channel }) => channel)).toEqual([
      'slack <inline-url>',
      'pager_duty error <routing-key>',
    ]);
  });
});

describe('a rehearsal', () => {
  it('says what would be sent, to whom and when, and sends nothing', () => {
    const rehearsed = rehearse(
      occurrence(),
      policy({
        after_minutes_stale: 5,
        channels: [{ kind: 'webhook', url_ref: { key: 'HOOK', source: 'env' }, secret_ref: 'KEY' }],
      }),
      clockStart,
    );
    expect(rehearsed).toMatchObject([
      {
        channel: 'webhook <secret:env.HOOK> signed with <secret:KEY>',
        readiness: { kind: 'later', at: clockStart + 300_000 },
        body: { type: 'fleet.alert', class: 'stale', run_id: 'run-1', task_id: 'lint', attempt: 1 },
      },
    ]);
  });
});
