/** MCP: tools of MCP servers as agents. */
export { McpServer, type AgentHost, type McpServerOptions } from './server.js';
export type { McpCommand } from './connection.js';
export { DEFAULT_MCP_LIMITS, MCP_LIMITS, type McpLimits } from './limits.js';
