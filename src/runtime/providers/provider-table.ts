/**
 * The agents that sessions host, and who hosts them.
 *
 * (O1) A session hosts what it advertises where its principal may, and where its dialect can carry the conversation. Who
 *      may not is told so (`capabilities.provider.refused`) and has an ordinary session.
 * (O2) An agent is listed while some session hosts it that is there, or may be back within `providerReturnMs`.
 * (O3) An agent in the runtime's own process comes first: nobody offers another of the same name and version. Several
 *      providers of one version share its jobs, and so have to agree on its terms.
 */
import { capabilitiesSchema } from '../../protocol/capabilities.js';
import { ArcpError } from '../../protocol/errors.js';
import { describeIssues } from '../../protocol/issues.js';
import type { Engine } from '../engine.js';
import type { Session } from '../session.js';
import {
  readOffers,
  type AdvertisedAgents,
  type Offer,
  type ProvidedTerms,
  type RefusedOffer,
} from './offers.js';
import { ProvidedAgent } from './provided-agent.js';
import { Provider, type ProviderOwner } from './provider.js';

/** What `session.accepted` says to who advertised agents. */
export interface Hosting {
  readonly hosted: readonly string[];
  readonly refused: readonly RefusedOffer[];
}

export class ProviderTable implements ProviderOwner {
  readonly #engine: Engine;
  readonly #mayHost: (principal: string) => boolean;
  readonly #agents = new Map<string, ProvidedAgent>();
  /** What each provider hosts. */
  readonly #hosting = new Map<Provider, Map<ProvidedAgent, Offer>>();

  constructor(engine: Engine, mayHost: (principal: string) => boolean) {
    this.#engine = engine;
    this.#mayHost = mayHost;
  }

  /**
   * The session advertised these agents.
   * @param scope what the names of its agents have to begin with, where it may host by that (connection-owner.ts, W3)
   */
  admit(session: Session, advertised: AdvertisedAgents, canCarry: boolean, scope?: string): Hosting {
    const refuseAll = (code: string, message: string): Hosting => {
      this.#engine.logger.info({ session: session.id, code, reason: message }, 'agents refused');
      const names = advertised.map((one) => (typeof one === 'string' ? one : one.name));
      return { hosted: [], refused: names.map((agent) => ({ agent, code, message })) };
    };
    if (scope === undefined && !this.#mayHost(session.principal))
      return refuseAll(
        'PERMISSION_DENIED',
        `${session.principal} may not host agents: this is an ordinary session`,
      );
    if (!canCarry) return refuseAll('UNIMPLEMENTED', 'agents are hosted in the classic dialect');
    const provider = new Provider(this.#engine, session, this, scope);
    session.hosting = provider;
    const refused = this.offer(provider, advertised);
    const hosted = [...(this.#hosting.get(provider)?.keys() ?? [])].map(({ ref }) => ref);
    this.#engine.logger.info(
      { session: session.id, hosted: hosted.join(' '), refused: refused.length },
      'agents offered',
    );
    return { hosted, refused };
  }

  /** A session of an earlier life hosted these agents. */
  restore(session: Session, advertised: AdvertisedAgents): void {
    const provider = new Provider(this.#engine, session, this);
    session.hosting = provider;
    this.offer(provider, advertised);
  }

  /** An agent that a job of an earlier life ran on: there may be nobody yet who hosts it. */
  expect(name: string, version: string, terms: ProvidedTerms): ProvidedAgent {
    return this.#agentFor({ name, version }, terms);
  }

  /** Throws INVALID_ARGUMENT. */
  readAdvertised(agents: unknown): AdvertisedAgents {
    const read = capabilitiesSchema.safeParse({ agents });
    if (!read.success) throw new ArcpError('INVALID_ARGUMENT', describeIssues(read.error.issues, { agents }));
    return read.data.agents ?? [];
  }

  offer(provider: Provider, advertised: AdvertisedAgents): readonly RefusedOffer[] {
    const { offers, refused } = readOffers(advertised, this.#engine.limits);
    const before = this.#hosting.get(provider) ?? new Map<ProvidedAgent, Offer>();
    const hosting = new Map<ProvidedAgent, Offer>();
    const conflicts: RefusedOffer[] = [];
    for (const offer of offers) {
      try {
        hosting.set(this.#agreed(offer, provider.scope), offer);
      } catch (error) {
        const { code, message } = ArcpError.from(error);
        conflicts.push({ agent: `${offer.name}@${offer.version}`, code, message });
      }
    }
    this.#hosting.set(provider, hosting);
    provider.advertised = advertised;
    for (const agent of before.keys()) {
      if (hosting.has(agent)) continue;
      agent.leftBy(provider);
      this.#list(agent);
    }
    this.changed(provider);
    this.roomMade(provider);
    return [...refused, ...conflicts];
  }

  changed(provider: Provider): void {
    for (const [agent, offer] of this.#hosting.get(provider) ?? []) {
      if (provider.isGone) agent.leftBy(provider);
      else agent.hostedBy(provider, offer);
      this.#list(agent);
    }
  }

  roomMade(provider: Provider): void {
    for (const agent of this.#hosting.get(provider)?.keys() ?? []) agent.roomMade();
  }

  roomBeside(provider: Provider, { name, version }: Offer): number {
    return this.#agents.get(`${name}@${version}`)?.roomBeside(provider) ?? 0;
  }

  /** The session is over, and so is what it hosted. */
  forget(provider: Provider): void {
    this.#hosting.delete(provider);
  }

  close(): void {
    for (const provider of this.#hosting.keys()) provider.close();
    for (const agent of this.#agents.values()) agent.close();
  }

  /** (O3) */
  #agreed(offer: Offer, scope = ''): ProvidedAgent {
    const { name, version, terms } = offer;
    if (!name.startsWith(scope))
      throw new ArcpError(
        'PERMISSION_DENIED',
        `what this session hosts has a name that begins with ${scope}`,
      );
    const known = this.#agents.get(`${name}@${version}`);
    if (known === undefined && this.#engine.registry.has(name, version))
      throw new ArcpError('ALREADY_EXISTS', 'the runtime hosts it itself');
    if (known !== undefined && JSON.stringify(known.terms) !== JSON.stringify(terms)) {
      const message =
        'others host it with another recovery, profile, kind, takes_input or uncovered_acts: give it another version';
      throw new ArcpError('FAILED_PRECONDITION', message);
    }
    return this.#agentFor(offer, terms);
  }

  #agentFor(ref: Pick<Offer, 'name' | 'version'>, terms: ProvidedTerms): ProvidedAgent {
    const key = `${ref.name}@${ref.version}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const { clock, limits } = this.#engine;
    const agent = new ProvidedAgent(ref, terms, { clock, returnMs: limits.providerReturnMs }, () => {
      this.#agents.delete(key);
    });
    this.#agents.set(key, agent);
    return agent;
  }

  /** (O2) */
  #list(agent: ProvidedAgent): void {
    this.#engine.registry.list(agent, agent.isHosted);
  }
}
