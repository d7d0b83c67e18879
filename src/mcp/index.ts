/** MCP, both ways: tools of MCP servers as agents, agents as tools of an MCP server. */
export { AgentsServer, type AgentsServerOptions } from './agents-server.js';
export { McpServer, type AgentHost, type McpServerOptions } from './server.js';
export type { McpCommand } from './connection.js';
export { DEFAULT_MCP_LIMITS, MCP_LIMITS, type McpLimits } from './limits.js';
