/**
 * Tools of MCP servers are named by any text, agents by `[a-z0-9][a-z0-9._-]*`.
 *
 * (N1) Tool `t` of server `s` is agent `s.t`. What a name of an agent has no room for is written `-x<hex>-`, by its code
 *      point, and so is a `-` before an `x`. So `search_docs` is itself, and `getSum` is `get-x53-um`.
 * (N2) `toolNameOf` gives the tool's name back: no two tools of a server are one agent. A server's name has no dot.
 */
import { isAgentName } from '../protocol/agent-ref.js';

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

function escaped(text: string, plain: RegExp): string {
  let result = '';
  const characters = Array.from(text);
  for (const [index, character] of characters.entries()) {
    const isPlain = character === '-' ? characters[index + 1] !== 'x' : plain.test(character);
    result += isPlain ? character : `-x${(character.codePointAt(0) ?? 0).toString(16)}-`;
  }
  return result;
}
