/**
 * One version of an agent that sessions host: its jobs go to whichever of them is least busy.
 *
 * (G1) A job has a place with one provider before its attempt begins; where none has room it waits as `queued`.
 * (G2) A job that waits for jobs which it delegated leaves its place to others, so that it can never wait for itself.
 * (G3) Providers come and go. While there is none, whoever waits waits for `providerReturnMs`, and then fails with
 *      AGENT_NOT_AVAILABLE.
 */
import type { Agent, AgentPlaces, JobContext } from '../../agents/agent.js';
import { placeOf } from '../../agents/agent.js';
import { AttemptLost } from '../../agents/remote/link.js';
import type { Clock, Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import type { WorkerProfile } from '../../protocol/worker-profile.js';
import type { Offer, ProvidedTerms } from './offers.js';

/** A session that hosts the agent. */
export interface Host {
  /** Jobs of all its agents that it does, those apart that wait for others. */
  readonly busy: number;
  /** How many jobs of this agent it could take now. */
  roomFor(offer: Offer): number;
  /** Leaves its jobs to others, as far as they have room and it is away for long. */
  moveJobs(): void;
  /** Takes a place for a job of this agent; false where there is none. */
  hold(offer: Offer, place: string): boolean;
  release(place: string): void;
  run(place: string, input: unknown, ctx: JobContext): Promise<unknown>;
}

type Watcher = Parameters<AgentPlaces['watch']>[0];

export class ProvidedAgent implements Agent, AgentPlaces {
  readonly name: string;
  readonly version: string;
  readonly terms: ProvidedTerms;
  readonly heartbeat = 'manual';
  readonly input = undefined;
  readonly worker = undefined;
  readonly remote = true;
  readonly elsewhere = true;
  readonly #hosts = new Map<Host, Offer>();
  readonly #taken = new Map<string, Host>();
  readonly #watchers: Watcher[] = [];
  readonly #onAbandoned: (agent: ProvidedAgent) => void;
  readonly #clock: Clock;
  readonly #returnMs: number;
  #patience: Timer | undefined;
  /** Set once nobody came for too long: this object is not the agent's any more. */
  #abandoned: ArcpError | undefined;

  constructor(
    ref: Pick<Offer, 'name' | 'version'>,
    terms: ProvidedTerms,
    { clock, returnMs }: { readonly clock: Clock; readonly returnMs: number },
    onAbandoned: (agent: ProvidedAgent) => void,
  ) {
    this.name = ref.name;
    this.version = ref.version;
    this.terms = terms;
    this.#clock = clock;
    this.#returnMs = returnMs;
    this.#onAbandoned = onAbandoned;
    this.#waitForHosts();
  }

  get ref(): string {
    return `${this.name}@${this.version}`;
  }

  get recovery(): Agent['recovery'] {
    return this.terms.recovery;
  }

  get takesInput(): boolean {
    return this.terms.takesInput;
  }

  get profile(): WorkerProfile | undefined {
    return this.terms.profile;
  }

  get isWorkflow(): boolean {
    return this.terms.isWorkflow === true;
  }

  get uncoveredActs(): Agent['uncoveredActs'] {
    return this.terms.uncoveredActs;
  }

  get places(): AgentPlaces {
    return this;
  }

  /** What the latest of its providers says. */
  get #latest(): Offer | undefined {
    return [...this.#hosts.values()].at(-1);
  }

  get default(): boolean {
    return this.#latest?.default ?? false;
  }

  get description(): string | undefined {
    return this.#latest?.description;
  }

  get inputSchema(): unknown {
    return this.#latest?.inputSchema;
  }

  get isHosted(): boolean {
    return this.#hosts.size > 0;
  }

  hostedBy(host: Host, offer: Offer): void {
    this.#hosts.set(host, offer);
    this.#patience?.cancel();
    this.#patience = undefined;
  }

  /** It gets no further jobs; those that it has go on. */
  leftBy(host: Host): void {
    if (this.#hosts.delete(host) && !this.isHosted) this.#waitForHosts();
  }

  /** Somebody may have room again. */
  roomMade(): void {
    for (const watcher of this.#watchers) watcher.room();
    // Who waits in line comes first: only what they leave is for jobs whose provider is away.
    if (this.#hosts.size > 1) for (const host of [...this.#hosts.keys()]) host.moveJobs();
  }

  /** How many jobs could be taken beside those that this one could take. */
  roomBeside(host: Host): number {
    let room = 0;
    for (const [other, offer] of this.#hosts) if (other !== host) room += other.roomFor(offer);
    return room;
  }

  take(place: string): boolean {
    const idlest = [...this.#hosts].sort(([one], [other]) => one.busy - other.busy);
    for (const [host, offer] of idlest) {
      if (!host.hold(offer, place)) continue;
      // Of those that are equally busy, another is the first next time.
      this.#hosts.delete(host);
      this.#hosts.set(host, offer);
      this.#taken.set(place, host);
      return true;
    }
    // Who comes late does not wait for ever.
    const abandoned = this.#abandoned;
    if (abandoned !== undefined)
      queueMicrotask(() => {
        this.#tellAbandoned(abandoned);
      });
    return false;
  }

  leave(place: string): void {
    const host = this.#taken.get(place);
    this.#taken.delete(place);
    host?.release(place);
  }

  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
  }

  run(input: unknown, ctx: JobContext): Promise<unknown> {
    const place = placeOf(ctx.jobId, ctx.attempt);
    const host = this.#taken.get(place);
    if (host !== undefined) return host.run(place, input, ctx);
    return Promise.reject(
      new AttemptLost('UNAVAILABLE', `no provider of ${this.ref} has a place for the job`),
    );
  }

  close(): void {
    this.#patience?.cancel();
  }

  #tellAbandoned(error: ArcpError): void {
    for (const watcher of this.#watchers) watcher.closed(error);
  }

  /** (G3) */
  #waitForHosts(): void {
    this.#patience?.cancel();
    this.#patience = this.#clock.timer(this.#returnMs, () => {
      this.#onAbandoned(this);
      const message = `no provider of ${this.ref} came within ${this.#returnMs} ms`;
      this.#abandoned = new ArcpError('AGENT_NOT_AVAILABLE', message);
      this.#tellAbandoned(this.#abandoned);
    });
  }
}
