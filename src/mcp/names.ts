/**
 * What tools are called as agents, and agents as tools.
 *
 * Tools of MCP servers are named by any text, agents by `[a-z0-9][a-z0-9._-]*`.
 *
 * (N1) Tool `t` of server `s` is agent `s.t`. What a name of an agent has no room for is written `-x<hex>-`, by its code
 *      point, and so is a `-` before an `x`. So `search_docs` is itself, and `getSum` is `get-x53-um`.
 * (N2) `toolNameOf` gives the tool's name back: no two tools of a server are one agent. A server's name has no dot.
 * (N3) An agent's name is a tool's as it is, up to 128 characters. A longer one is cut and ends in a hash of all of it; the
 *      few that clash even so, and what no reference can mean, are no tools.
 */
import { createHash } from 'node:crypto';
import { isAgentName } from '../protocol/agent-ref.js';

/** Longest name of a tool: MCP 2025-11-25, Tool Names, which also has every character of an agent's name. */
const MAX_TOOL_NAME = 128;
const HASH_DIGITS = 16;

const PLAIN = /^[a-z0-9._]$/;

/** Whether text may name a server. */
export function isServerName(text: string): boolean {
  return text.length <= 64 && isAgentName(text) && !text.includes('.');
}

/** (N1) */
export function agentNameOf(server: string, tool: string): string {
  return `${server}.${escaped(tool, PLAIN)}`;
}

/** (N2) */
export function toolNameOf(server: string, agent: string): string {
  return agent
    .slice(server.length + 1)
    .replaceAll(/-x([0-9a-f]{1,6})-/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)));
}

/** What a server says of its version, as the version of an agent. Not to be read back: it is cut. */
export function agentVersionOf(version: string): string {
  const text = escaped(version.slice(0, 64), /^[A-Za-z0-9._+]$/).slice(0, 96);
  return text === '' ? '0.0.0' : text;
}

/** (N3) The tool of each agent, by its name, in the order of the agents. */
export function agentsByTool(agents: Iterable<string>): Map<string, string> {
  const usable = Array.from(agents).filter(isAgentName);
  const short = new Set(usable.filter(({ length }) => length <= MAX_TOOL_NAME));
  const tools = new Map<string, string>();
  for (const agent of usable) {
    const tool = short.has(agent) ? agent : shortened(agent);
    if (!tools.has(tool) && (tool === agent || !short.has(tool))) tools.set(tool, agent);
  }
  return tools;
}

function shortened(agent: string): string {
  const hash = createHash('sha256').update(agent).digest('hex').slice(0, HASH_DIGITS);
  return `${agent.slice(0, MAX_TOOL_NAME - HASH_DIGITS - 1)}-${hash}`;
}

function escaped(text: string, plain: RegExp): string {
  let result = '';
  const characters = Array.from(text);
  for (const [index, character] of characters.entries()) {
    const isPlain = character === '-' ? characters[index + 1] !== 'x' : plain.test(character);
    result += isPlain ? character : `-x${(character.codePointAt(0) ?? 0).toString(16)}-`;
  }
  return result;
}
