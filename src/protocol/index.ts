/** The language: envelopes, messages and the rules that need no runtime. Pure; runs in a browser. */
export * from './agent-ref.js';
export * from './artifact-parts.js';
export * from './base64.js';
export * from './capabilities.js';
export * from './cost-budget.js';
export { chargeIn } from './cost-names.js';
export * from './envelope.js';
export * from './errors.js';
export * from './extensions.js';
export * from './fleet/index.js';
export * from './identity.js';
export * from './ids.js';
export * from './inventory.js';
export * from './job-state.js';
export * from './lease.js';
export * from './lease-capability.js';
export * from './lease-subset.js';
export * from './messages.js';
export * from './priority.js';
export * from './result-chunks.js';
export { canonicalTargets, TargetPatterns } from './target-patterns.js';
export * from './worker-profile.js';
export { parseWorkerProfile, requestedProfile } from './worker-profile-json.js';
export type { ArtifactRef } from './payloads/artifacts.js';
export { LOG_LEVELS } from './payloads/telemetry.js';
export { STREAM_KINDS, type StreamKind } from './payloads/streams.js';
export {
  StreamSequence,
  chunkOfValue,
  isContinuous,
  valueOfChunk,
  type StreamChunk,
  type StreamLimits,
  type StreamValue,
  type StreamValues,
  type Thought,
} from './stream-chunk.js';
export { isJsonObject, knownErrorCode, type JsonObject } from './scalars.js';
export { ValueStream } from './value-stream.js';
export { isTimestamp } from './timestamp.js';
export * from './trust-level.js';
export * from './draft/index.js';
