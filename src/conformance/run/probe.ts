/** What a runtime hosts and offers in one dialect: from its own handshake, before any scenario is played. */
import { isMap, type JsonMap } from '../scenarios/matcher.js';
import type { DialectName, Scenario } from '../scenarios/scenario.js';
import { Connection } from './connection.js';
import { DRAFT_FEATURES } from '../../protocol/draft/features.js';
import { EXTENSIONS, greeting, isWelcome } from './dialect-frames.js';
import type { Target } from './player.js';
import { SessionHistory, StandingRules } from './standing-rules.js';
import { Transcript } from './transcript.js';

export interface Offer {
  readonly agents: ReadonlySet<string>;
  readonly capabilities: ReadonlySet<string>;
  readonly extensions: ReadonlySet<string>;
  readonly features: ReadonlySet<string>;
  /** As the runtime calls itself. */
  readonly runtime: string;
}

/** The runtime does not let us in, or is not there at all. */
export class NotReached extends Error {
  override readonly name = 'NotReached';
}

/** @throws NotReached when no session can be opened */
export async function probe(target: Target, dialect: DialectName): Promise<Offer> {
  const { a = '', b = '' } = target.tokens;
  const transcript = new Transcript([a, b], () => Date.now());
  const rules = new StandingRules(dialect, new SessionHistory());
  const { url, timeoutMs } = target;
  let connection: Connection;
  try {
    connection = await Connection.dial(url, { name: 'probe', transcript, rules, timeoutMs });
  } catch (error) {
    throw new NotReached(error instanceof Error ? error.message : String(error), { cause: error });
  }
  try {
    connection.sendJson({
      arcp: '1.1',
      id: 'msg_probe',
      ...(dialect === 'classic' ? { timestamp: new Date().toISOString() } : {}),
      ...greeting(dialect, {
        token: target.tokens.a,
        extensions: EXTENSIONS,
        features: DRAFT_FEATURES,
        capabilities: ASKED,
      }),
    });
    const answer = await connection.until(
      () => connection.frames[0] ?? (connection.end === undefined ? undefined : 'closed'),
      timeoutMs,
    );
    if (answer === undefined || answer === 'closed') throw new NotReached('it does not answer the handshake');
    const { json } = answer;
    const payload = isMap(json['payload']) ? json['payload'] : {};
    if (isWelcome(json)) return offerOf(payload);
    throw new NotReached(`${String(payload['code'])}: ${String(payload['message'])}`);
  } finally {
    await connection.close();
  }
}

/** Flags count only where both sides name them (RFC 0001 §7). */
const ASKED: JsonMap = Object.fromEntries(
  [
    'streaming',
    'durable_jobs',
    'checkpoints',
    'human_input',
    'artifacts',
    'subscriptions',
    'scheduled_jobs',
    'interrupt',
  ].map((name) => [name, true]),
);

function offerOf(payload: JsonMap): Offer {
  const capabilities = isMap(payload['capabilities']) ? payload['capabilities'] : {};
  const runtime = isMap(payload['runtime']) ? payload['runtime'] : {};
  const agents = listOf(capabilities['agents']).map((agent) => String(isMap(agent) ? agent['name'] : agent));
  return {
    agents: new Set(agents),
    capabilities: new Set(Object.keys(capabilities).filter((name) => capabilities[name] === true)),
    extensions: new Set(listOf(capabilities['extensions']).map(String)),
    features: new Set(listOf(capabilities['features']).map(String)),
    runtime: `${String(runtime['kind'] ?? runtime['name'])} ${String(runtime['version'])}`,
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Why the scenario means nothing at this runtime; nothing when it does. */
export function lacks({ needs }: Scenario, offer: Offer, tokens: Target['tokens']): string | undefined {
  if (needs.two_principals === true && tokens.b === undefined) return 'needs a second token (b)';
  const missing = [
    ...needs.agents.filter((name) => !offer.agents.has(name)).map((name) => `the agent ${name}`),
    ...needs.capabilities.filter((name) => !offer.capabilities.has(name)),
    ...needs.extensions.filter((name) => !offer.extensions.has(name)),
    ...needs.features.filter((name) => !offer.features.has(name)),
  ];
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
}
