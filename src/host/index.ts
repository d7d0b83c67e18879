/** `arcp-runtime/host`: agents that run here, for a runtime elsewhere. */
export {
  host,
  type Host,
  type HostCloseOptions,
  type HostOptions,
  type JobChange,
  type RefusedAgent,
} from './host.js';
export { hostStdio } from './stdio.js';
export type { Agent, JobContext } from '../agents/agent.js';
export { defineAgent, type AgentDefinition } from '../agents/define-agent.js';
export type { TokenSource } from '../client/handshake.js';
export type { ConnectionChange } from '../client/listeners.js';
export { ArcpError, type ErrorCode } from '../protocol/errors.js';
