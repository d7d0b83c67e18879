/** `session.welcome` (draft-1.1 §6.2): what both sides have, the agents, and how to come back. */
import { DRAFT_FEATURES, type DraftFeature } from '../../protocol/draft/features.js';
import type { DraftPayload } from '../../protocol/draft/messages.js';
import { advertise } from '../../runtime/advertise.js';
import type { Engine } from '../../runtime/engine.js';

/** What this runtime has of the draft. */
export function ourFeatures(engine: Engine): DraftFeature[] {
  const { provisioned_credentials } = advertise([], engine);
  return DRAFT_FEATURES.filter(
    (feature) => feature !== 'provisioned_credentials' || provisioned_credentials === true,
  );
}

/** How often each side is to say something, in whole seconds. */
export function heartbeatSeconds({ limits }: Engine): number {
  return Math.max(1, Math.ceil(limits.heartbeatIntervalMs / 1_000));
}

export function welcome(
  engine: Engine,
  sessionId: string,
  resumeToken: string,
  features: readonly string[],
): DraftPayload<'session.welcome'> {
  const { kind: name, version, fingerprint } = engine.identity;
  const inventory = engine.registry.inventory();
  return {
    session_id: sessionId,
    runtime: { name, version, ...(fingerprint === undefined ? {} : { fingerprint }) },
    resume_token: resumeToken,
    resume_window_sec: Math.max(1, Math.floor(engine.limits.resumeWindowMs / 1_000)),
    ...(features.includes('heartbeat') ? { heartbeat_interval_sec: heartbeatSeconds(engine) } : {}),
    capabilities: {
      encodings: ['json'],
      features: [...features],
      // A client that does not know of versions is told of names only (draft-02.1).
      agents: features.includes('agent_versions')
        ? inventory.map(({ name: agent, versions, ...rest }) => ({
            name: agent,
            versions: [...versions],
            ...(rest.default === undefined ? {} : { default: rest.default }),
          }))
        : inventory.map(({ name: agent }) => agent),
    },
    accepted_at: engine.timestamps.now(),
  };
}
