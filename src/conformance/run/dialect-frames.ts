/** The frames that a runner sends of itself, in each dialect: the handshake, the resume, pings, and leave-taking. */
import type { JsonMap } from '../scenarios/matcher.js';
import type { DialectName } from '../scenarios/scenario.js';
import { DRAFT_FEATURES } from '../../protocol/draft/features.js';
import { OPT_IN } from '../../protocol/extensions.js';
import { VERSION } from '../../version.js';

/** Every opt-in that scenarios use. */
export const EXTENSIONS = [OPT_IN.checkpoint, OPT_IN.delegate, OPT_IN.human, OPT_IN.schedule];

export interface Hello {
  readonly token: string | undefined;
  readonly capabilities?: JsonMap | undefined;
  readonly extensions?: readonly string[] | undefined;
  /** `null` is a client that knows of no features. */
  readonly features?: readonly string[] | null | undefined;
}

export function greeting(dialect: DialectName, hello: Hello): JsonMap {
  const { token, capabilities = {}, extensions, features = DRAFT_FEATURES } = hello;
  if (dialect === 'classic') {
    return {
      type: 'session.open',
      payload: {
        auth: token === undefined ? { scheme: 'none' } : { scheme: 'bearer', token },
        client: { kind: 'arcp-conformance', version: VERSION },
        capabilities: {
          anonymous: token === undefined,
          ...capabilities,
          ...(extensions === undefined ? {} : { extensions }),
        },
      },
    };
  }
  return {
    type: 'session.hello',
    payload: {
      client: { name: 'arcp-conformance', version: VERSION },
      auth: token === undefined ? { scheme: 'none' } : { scheme: 'bearer', token },
      capabilities: { encodings: ['json'], ...(features === null ? {} : { features }) },
    },
  };
}

export interface Resumption {
  readonly sessionId: string;
  readonly resumeToken: string;
  readonly after: number;
  readonly hello: Hello;
}

export function resumption(
  dialect: DialectName,
  by: 'hello' | 'resume',
  { sessionId, resumeToken, after, hello }: Resumption,
): JsonMap {
  const payload = { resume_token: resumeToken, last_event_seq: after };
  if (dialect === 'classic' || by === 'resume') return { type: 'session.resume', payload };
  const greeted = greeting(dialect, hello);
  return {
    ...greeted,
    payload: { ...(greeted['payload'] as JsonMap), resume: { session_id: sessionId, ...payload } },
  };
}

/** The answer to a handshake that lets the client in. */
export function isWelcome({ type }: JsonMap): boolean {
  return type === 'session.accepted' || type === 'session.resumed' || type === 'session.welcome';
}

/** A ping whose answer can be told from others. */
export function ping(dialect: DialectName, nonce: string): JsonMap {
  return dialect === 'classic'
    ? { type: 'ping', payload: { nonce } }
    : { type: 'session.ping', payload: { nonce, sent_at: new Date().toISOString() } };
}

export function isPongTo(id: string, nonce: string, { type, payload, correlation_id }: JsonMap): boolean {
  if (type === 'pong') return correlation_id === id;
  return type === 'session.pong' && (payload as JsonMap)['ping_nonce'] === nonce;
}

/** What answers a ping of the runtime; nothing for any other frame. */
export function pongTo({ type, id, payload }: JsonMap): JsonMap | undefined {
  if (type === 'ping') return { type: 'pong', correlation_id: id, payload };
  if (type !== 'session.ping') return undefined;
  const { nonce } = payload as JsonMap;
  return { type: 'session.pong', payload: { ping_nonce: nonce, received_at: new Date().toISOString() } };
}

/** Ends what is left of a scenario's session. */
export function leaveTaking(dialect: DialectName, runningJobs: readonly string[]): JsonMap[] {
  if (dialect === 'classic')
    return [{ type: 'session.close', payload: { reason: 'the scenario is over', dispose_jobs: 'cancel' } }];
  return [
    ...runningJobs.map((job_id) => ({
      type: 'job.cancel',
      job_id,
      payload: { reason: 'the scenario is over' },
    })),
    { type: 'session.close', payload: { reason: 'the scenario is over' } },
  ];
}
