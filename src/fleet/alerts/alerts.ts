/**
 * Tells people what happens to runs, once.
 *
 * (A1) What is to be told is in the store before it is sent, and stays there when it was: an alert of a
 *      (run, task, attempt, class) goes to a channel once, also across restarts. Only where the process dies between the
 *      endpoint's answer and the store's is it sent again, with the same id.
 * (A2) An attempt that fails is repeated, later each time, up to `maxAlertAttempts`; what will not go better is not.
 * (A3) Nothing that is stored, logged or shown holds a URL, a routing key or a secret.
 */
import type { Clock, Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import type { FleetAlertChannel, FleetAlertPolicy } from '../../protocol/fleet/index.js';
import { silentLogger, type Logger } from '../../runtime/logger.js';
import type { Store } from '../../store/store.js';
import { DEFAULT_FLEET_LIMITS, type FleetLimits } from '../limits.js';
import { alertOf, type Alert, type Occurrence } from './alert.js';
import { readiness, type Readiness } from './alert-policy.js';
import { alertId, alertKey, readRecord, runPrefix, type AlertRecord } from './alert-record.js';
import { channelId, redactedChannel } from './channel.js';
import type { Delivery } from './post.js';
import { shownBody } from './send.js';

export interface AlertsOptions {
  readonly store: Pick<Store, 'append' | 'documents'>;
  readonly clock: Clock;
  /** Gives numbers in [0, 1). */
  readonly random: () => number;
  /** Usually `sendAlert`. */
  readonly send: (alert: Alert, channel: FleetAlertChannel) => Promise<Delivery>;
  /** Takes known secrets out of what agents said. */
  readonly redact: (text: string) => string;
  readonly limits?: Partial<FleetLimits>;
  readonly logger?: Logger;
}

/** What became of an occurrence on one channel. */
export interface Raised {
  readonly channel: string;
  readonly outcome: Readiness['kind'] | 'told_already';
  /** When `later` is. */
  readonly at?: number;
}

interface Pending {
  readonly key: string;
  readonly channel: FleetAlertChannel;
  record: AlertRecord;
  revision: number;
  timer: Timer | undefined;
}

export class Alerts {
  readonly #options: AlertsOptions;
  readonly #limits: FleetLimits;
  readonly #logger: Logger;
  readonly #pending = new Map<string, Pending>();
  readonly #ready: Pending[] = [];
  /** What is being written: two calls in one moment are one alert, and both wait for the store. */
  readonly #claims = new Map<string, Promise<boolean>>();
  #inFlight = 0;
  #closed = false;
  readonly #idle = new Set<() => void>();

  constructor(options: AlertsOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_FLEET_LIMITS, ...options.limits };
    this.#logger = options.logger ?? silentLogger;
  }

  /** Alerts that are neither delivered nor given up. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Tells of an occurrence, by its policy, on each of its channels. When this resolves, what is to be told is stored.
   * @throws ArcpError RESOURCE_EXHAUSTED where too much waits already.
   */
  async raise(what: Occurrence, policy: FleetAlertPolicy): Promise<readonly Raised[]> {
    const ready = readiness(policy, what, this.#options.clock.now());
    const raised: Raised[] = [];
    for (const channel of policy.channels) {
      const shown = redactedChannel(channel);
      if (ready.kind === 'now') {
        raised.push({ channel: shown, outcome: (await this.#put(what, channel)) ? 'now' : 'told_already' });
      } else {
        raised.push({
          channel: shown,
          outcome: ready.kind,
          ...(ready.kind === 'later' ? { at: ready.at } : {}),
        });
      }
    }
    return raised;
  }

  /** Goes on with what an earlier life of this process left, for the channels that the run still has. */
  async recover(runId: string, channels: readonly FleetAlertChannel[]): Promise<number> {
    const known = new Map(channels.map((channel) => [channelId(channel), channel]));
    let recovered = 0;
    for (const { key, text, revision } of await this.#options.store.documents(runPrefix(runId))) {
      const record = readRecord(text);
      const channel = record === undefined ? undefined : known.get(record.channel);
      if (record?.state.kind !== 'waiting' || channel === undefined || this.#pending.has(key)) continue;
      this.#schedule({ key, channel, record, revision, timer: undefined }, record.state.due);
      recovered += 1;
    }
    return recovered;
  }

  /** Forgets a run's alerts, once nothing can happen to it any more. */
  async forget(runId: string): Promise<void> {
    for (const { key, revision } of await this.#options.store.documents(runPrefix(runId))) {
      this.#pending.get(key)?.timer?.cancel();
      this.#pending.delete(key);
      await this.#options.store.append([{ kind: 'document', key, revision: revision + 1, text: undefined }]);
    }
  }

  /** Resolves once nothing is being sent and nothing is due. What waits for its time goes on waiting. */
  async settled(): Promise<void> {
    while (this.#inFlight > 0 || this.#ready.length > 0) {
      await new Promise<void>((resolve) => this.#idle.add(resolve));
    }
  }

  /** Sends nothing more; what waits is in the store. */
  close(): void {
    this.#closed = true;
    this.#ready.length = 0;
    for (const { timer } of this.#pending.values()) timer?.cancel();
    this.#pending.clear();
    this.#wake();
  }

  /** (A1) Whether it is new. */
  async #put(what: Occurrence, channel: FleetAlertChannel): Promise<boolean> {
    const key = alertKey(what, channelId(channel));
    const claimed = this.#claims.get(key);
    if (claimed !== undefined) {
      await claimed;
      return false;
    }
    const claim = this.#keep(key, what, channel).finally(() => this.#claims.delete(key));
    this.#claims.set(key, claim);
    return await claim;
  }

  async #keep(key: string, what: Occurrence, channel: FleetAlertChannel): Promise<boolean> {
    if (this.#pending.has(key)) return false;
    if (this.#pending.size >= this.#limits.maxAlertsPending) {
      throw new ArcpError('RESOURCE_EXHAUSTED', `${this.#limits.maxAlertsPending} alerts wait already`);
    }
    const known = await this.#options.store.documents(key);
    if (known.some((document) => document.key === key)) return false;
    const due = this.#options.clock.now();
    const id = channelId(channel);
    const record: AlertRecord = {
      alert: alertOf(what, alertId(what, id), this.#options.redact),
      channel: id,
      attempts: 0,
      state: { kind: 'waiting', due },
    };
    const pending: Pending = { key, channel, record, revision: 0, timer: undefined };
    await this.#save(pending, record);
    this.#schedule(pending, due);
    return true;
  }

  async #save(pending: Pending, record: AlertRecord): Promise<void> {
    const revision = pending.revision + 1;
    const { key } = pending;
    await this.#options.store.append([{ kind: 'document', key, revision, text: JSON.stringify(record) }]);
    pending.revision = revision;
    pending.record = record;
  }

  #schedule(pending: Pending, due: number): void {
    if (this.#closed) return;
    this.#pending.set(pending.key, pending);
    const wait = due - this.#options.clock.now();
    const run = (): void => {
      pending.timer = undefined;
      this.#ready.push(pending);
      this.#pump();
    };
    if (wait <= 0) run();
    else pending.timer = this.#options.clock.timer(wait, run);
  }

  #pump(): void {
    while (!this.#closed && this.#inFlight < this.#limits.maxAlertsInFlight) {
      const next = this.#ready.shift();
      if (next === undefined) break;
      this.#inFlight += 1;
      void this.#attempt(next).finally(() => {
        this.#inFlight -= 1;
        this.#pump();
        this.#wake();
      });
    }
  }

  #wake(): void {
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  async #attempt(pending: Pending): Promise<void> {
    const { alert } = pending.record;
    try {
      const delivery = await this.#options.send(alert, pending.channel);
      await this.#settle(pending, delivery);
    } catch (error) {
      // The store refuses: somebody else has taken this over, or there is no store any more.
      this.#pending.delete(pending.key);
      this.#logger.error({ alert: alert.id, error: String(error) }, 'an alert could not be kept');
    }
  }

  async #settle(pending: Pending, delivery: Delivery): Promise<void> {
    const now = this.#options.clock.now();
    const attempts = pending.record.attempts + 1;
    const { alert } = pending.record;
    if (delivery.kind === 'delivered') {
      await this.#save(pending, { ...pending.record, attempts, state: { kind: 'delivered', at: now } });
      this.#pending.delete(pending.key);
      return;
    }
    if (delivery.kind === 'refused' || attempts >= this.#limits.maxAlertAttempts) {
      await this.#save(pending, {
        ...pending.record,
        attempts,
        state: { kind: 'given_up', at: now, why: delivery.why },
      });
      this.#pending.delete(pending.key);
      this.#logger.error(
        { alert: alert.id, class: alert.class, attempts, why: delivery.why },
        'an alert is given up',
      );
      return;
    }
    const due = now + this.#backoff(attempts, delivery.afterMs);
    await this.#save(pending, { ...pending.record, attempts, state: { kind: 'waiting', due } });
    this.#logger.warn({ alert: alert.id, attempts, why: delivery.why }, 'an alert will be sent again');
    this.#schedule(pending, due);
  }

  /** Between half and all of the delay; longer where the endpoint asked for it, up to the bound. */
  #backoff(attempts: number, asked = 0): number {
    const { alertBackoffMs, maxAlertBackoffMs } = this.#limits;
    const ceiling = Math.min(maxAlertBackoffMs, alertBackoffMs * 2 ** (attempts - 1));
    return Math.min(maxAlertBackoffMs, Math.max(asked, ceiling / 2 + (this.#options.random() * ceiling) / 2));
  }
}

/** What `raise` would do, on which channel and with which words; sends and stores nothing. */
export function rehearse(
  what: Occurrence,
  policy: FleetAlertPolicy,
  now: number,
): readonly { readonly channel: string; readonly readiness: Readiness; readonly body: unknown }[] {
  return policy.channels.map((channel) => {
    const alert = alertOf(what, alertId(what, channelId(channel)));
    return {
      channel: redactedChannel(channel),
      readiness: readiness(policy, what, now),
      body: shownBody(alert, channel),
    };
  });
}
