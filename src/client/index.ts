/** The client SDK: connect to a runtime, start jobs, watch them, take their results. Runs in Node and in a browser. */
export { connect, CLIENT_INFO, type ConnectOptions, type Dial } from './connect.js';
export type { TokenSource } from './handshake.js';
export type { ClientArtifacts, FetchArtifactOptions, PutArtifactOptions } from './artifacts.js';
export type { FetchedArtifact } from './fetched-artifact.js';
export type {
  Client,
  CloseOptions,
  DelegateOptions,
  HandoffOptions,
  InvokeOptions,
  JobFilter,
  JobListing,
  JobStatusWord,
  RuntimeRef,
  ScheduleListing,
  ScheduleOptions,
  ScheduleTime,
  WatchOptions,
} from './client.js';
export type { CancelOptions, Job } from './job.js';
export type { InputOptions, JobInput } from './job-input.js';
export type { JobStream } from './job-streams.js';
export type { JobEvent, JobEventType, TerminalEvent } from '../protocol/job-event.js';
export type { JobResult, StreamedResult } from './result.js';
export type { ClientEvents, ConnectionChange, Notice } from './listeners.js';
export type { Question, QuestionEnd, QuestionRequest } from './question.js';
export type { SessionInfo } from './session.js';
export type { WatchedJob } from './watched-job.js';
export { DEFAULT_RECONNECT, type ReconnectPolicy } from './backoff.js';
export { CLIENT_LIMITS, clientLimits, DEFAULT_CLIENT_LIMITS, type ClientLimits } from './limits.js';
export type { Clock, Timer } from '../clock.js';
export {
  ArcpError,
  ResultChunkError,
  type ArtifactRef,
  type ArtifactSource,
  type ErrorCode,
  type ErrorPayload,
} from '../protocol/index.js';
