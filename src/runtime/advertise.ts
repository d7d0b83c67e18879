/** What a runtime tells its clients that it can do. */
import type { Capabilities } from '../protocol/capabilities.js';
import { OPT_IN } from '../protocol/extensions.js';
import type { Inventory } from '../protocol/inventory.js';
import type { Limits } from './limits.js';

interface Advertiser {
  readonly authenticators: { has(scheme: string): boolean };
  readonly limits: Limits;
  readonly credentials: { readonly isConfigured: boolean };
  readonly store: { readonly durable: boolean };
  readonly heartbeatRecovery: 'fail' | 'block';
  readonly carrier: unknown;
}

export function advertise(inventory: Inventory, runtime: Advertiser): Capabilities {
  return {
    streaming: true,
    durable_jobs: runtime.store.durable,
    checkpoints: true,
    binary_streams: true,
    agent_handoff: runtime.carrier !== undefined,
    human_input: true,
    model_use: true,
    provisioned_credentials: runtime.credentials.isConfigured,
    artifacts: true,
    subscriptions: true,
    scheduled_jobs: true,
    interrupt: true,
    anonymous: runtime.authenticators.has('none'),
    extensions: [
      OPT_IN.agents,
      OPT_IN.checkpoint,
      OPT_IN.delegate,
      ...(runtime.carrier === undefined ? [] : [OPT_IN.handoff]),
      OPT_IN.host,
      OPT_IN.human,
      OPT_IN.identity,
      OPT_IN.schedule,
      OPT_IN.workflow,
    ],
    binary_encoding: ['base64'],
    heartbeat_interval_seconds: runtime.limits.heartbeatIntervalMs / 1000,
    heartbeat_recovery: runtime.heartbeatRecovery,
    artifact_retention: {
      default_seconds: Math.floor(runtime.limits.artifactRetentionMs / 1000),
      max_seconds: Math.floor(runtime.limits.maxArtifactRetentionMs / 1000),
    },
    agents: inventory.map(({ name, versions, ...rest }) => ({ name, versions: [...versions], ...rest })),
  };
}
