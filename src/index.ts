/** `arcp-runtime`: host agents and open them to clients over ARCP. */
export type {
  Agent,
  AgentArtifactPart,
  AgentArtifactPiece,
  ArtifactOptions,
  ArtifactReader,
  ArtifactResultOptions,
  ChildJob,
  ChildOutcome,
  ChunkedResultOptions,
  DelegateAllOptions,
  DelegateItem,
  DelegateOptions,
  InputStream,
  FileEntry,
  FileInfo,
  GuardedFiles,
  HandoffOptions,
  HandoffRef,
  JobContext,
  JobStream,
  Json,
  LeaseView,
  LogLevel,
  ModelChoice,
  Progress,
  RecoveryPolicy,
  ResultChunk,
  ResultOptions,
  ResultStream,
  ResumePoint,
  ShellOptions,
  ShellResult,
  StreamedResult,
  StreamOptions,
} from './agents/agent.js';
export type {
  AskOptions,
  Choice,
  ChooseOptions,
  Guidance,
  JsonSchema,
  QuestionOptions,
} from './agents/questions.js';
export type { ResultSoFar } from './agents/replayed-result.js';
export { defineAgent, type AgentDefinition } from './agents/define-agent.js';
export { processAgent, type ProcessAgentDefinition } from './agents/process/process-agent.js';
export { defineTool, type Tool, type ToolDefinition } from './agents/define-tool.js';
export type { HandoffRuntime } from './handoff/dial.js';
export { createRuntime, type Runtime, type RuntimeOptions } from './create-runtime.js';
export { TRUST_LEVELS, type TrustLevel } from './protocol/trust-level.js';
export { listen, type ListenOptions, type Server } from './listen.js';
export type { ArtifactSource } from './protocol/artifact-parts.js';
export { amountFromNumber, formatAmount, parseAmount } from './protocol/cost-budget.js';
export { ArcpError, ERRORS, type ErrorCode } from './protocol/errors.js';
export { profileForRole, type WorkerProfile, type WorkerRole } from './protocol/worker-profile.js';
export type { JobEvent, JobEventType } from './protocol/job-event.js';
export type { Inventory, InventoryEntry } from './protocol/inventory.js';
export type { ArtifactRef } from './protocol/payloads/artifacts.js';
export {
  anonymous,
  bearerTokens,
  type AuthOutcome,
  type Authenticator,
  type BearerToken,
  type BearerTokens,
  type CredentialStanding,
  type Credentials,
} from './runtime/authenticator.js';
export type { ConnectionOwner } from './runtime/connection-owner.js';
export { liteLlm, type LiteLlmOptions } from './provisioners/lite-llm.js';
export type {
  CredentialConstraints,
  CredentialProvisioner,
  CredentialRequest,
  IssuedCredential,
} from './runtime/credentials/provisioner.js';
export { DEFAULT_LIMITS, LIMITS, type Limits } from './runtime/limits.js';
export type { Logger, LogFields } from './runtime/logger.js';
export type { ObservedEvent } from './runtime/observe-job.js';
export type { Models } from './runtime/model-route.js';
export type { Recovery } from './runtime/recovery.js';
export { TRUST } from './runtime/trust.js';
export { memoryStore } from './store/memory.js';
export { sqliteStore, type SqliteStoreOptions } from './store/sqlite/sqlite-store.js';
export type {
  DocumentWrite,
  LogHead,
  LogRecord,
  Store,
  StoredDocument,
  StoredPlace,
  StoredRecord,
  Write,
} from './store/store.js';
export { streamTransport, type StreamTransportOptions } from './transport/stdio.js';
export type { Transport, TransportEnd, TransportHandlers } from './transport/transport.js';
export { VERSION } from './version.js';
