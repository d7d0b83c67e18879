/**
 * Agent references: `name` or `name@version`, what `tool.invoke`, `agent.delegate` and listings name agents by.
 *
 *     name    ::= [a-z0-9][a-z0-9._-]*
 *     version ::= [a-zA-Z0-9.+_-]+
 *
 * 1. The text is split at its first `@`; a second one is part of the version, where the grammar refuses it.
 * 2. What parses prints back as the same text.
 * 3. Parsing reads each character once and fails with nothing but an `AgentRefError`.
 * Source: execution.rs `AgentRef` (draft-1.1 §7.5). The length limit is ours (L7).
 */
import { ArcpError } from './errors.js';

export interface AgentRef {
  readonly name: string;
  /** The pinned version; absent where the runtime is to choose one. */
  readonly version?: string;
}

/** Longest name and version together, in characters; the `@` is not counted. */
export const MAX_AGENT_REF_LENGTH = 256;

export type AgentRefFault = 'name' | 'version' | 'length';

/** INVALID_ARGUMENT; `fault` says which part of the reference is wrong. */
export class AgentRefError extends ArcpError {
  readonly fault: AgentRefFault;

  constructor(fault: AgentRefFault, message: string) {
    super('INVALID_ARGUMENT', message, { details: { fault } });
    this.fault = fault;
  }
}

const QUOTED_LENGTH = 64;

/** Quotes untrusted text for a message: shortened, and with everything unprintable or ill-formed escaped. */
function quote(text: string): string {
  return text.length <= QUOTED_LENGTH
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, QUOTED_LENGTH))} (shortened)`;
}

function isLowerOrDigit(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
}

function isDotDashUnderscore(code: number): boolean {
  return code === 0x2e || code === 0x2d || code === 0x5f;
}

/** Whether `text` may name an agent. */
export function isAgentName(text: string): boolean {
  if (text.length > MAX_AGENT_REF_LENGTH || !isLowerOrDigit(text.charCodeAt(0))) return false;
  for (let i = 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (!isLowerOrDigit(code) && !isDotDashUnderscore(code)) return false;
  }
  return true;
}

/** Whether `text` may be the version of an agent. */
export function isAgentVersion(text: string): boolean {
  if (text.length > MAX_AGENT_REF_LENGTH || text === '') return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isUpper = code >= 0x41 && code <= 0x5a;
    if (!isUpper && !isLowerOrDigit(code) && !isDotDashUnderscore(code) && code !== 0x2b) return false;
  }
  return true;
}

/**
 * Parses `name` or `name@version`.
 * @throws AgentRefError when the text is not in the grammar, or too long.
 */
export function parseAgentRef(text: string): AgentRef {
  const at = text.indexOf('@');
  const name = at === -1 ? text : text.slice(0, at);
  const version = at === -1 ? undefined : text.slice(at + 1);
  if (name.length + (version?.length ?? 0) > MAX_AGENT_REF_LENGTH) {
    throw new AgentRefError(
      'length',
      `agent reference longer than ${MAX_AGENT_REF_LENGTH} characters: ${quote(text)}`,
    );
  }
  if (!isAgentName(name)) throw new AgentRefError('name', `invalid agent name ${quote(name)}`);
  if (version === undefined) return { name };
  if (!isAgentVersion(version)) {
    throw new AgentRefError('version', `invalid agent version ${quote(version)}`);
  }
  return { name, version };
}

/** The text of a reference: `name` or `name@version`. */
export function formatAgentRef(ref: AgentRef): string {
  return ref.version === undefined ? ref.name : `${ref.name}@${ref.version}`;
}
