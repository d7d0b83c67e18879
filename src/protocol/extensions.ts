/**
 * Names outside of the core language (RFC 0001 §21): `arcpx.<vendor>[.<name>].v<n>`, or a reverse domain that ends in
 * `.v<n>` (`com.example.search.v2`). `x-` is reserved, and everything else looks like a core name.
 */

/** Longest name that is taken for an extension's. */
const MAX_LENGTH = 256;

/** The first words of the core language's names; a name that begins with one is never an extension's. */
export const CORE_ROOTS: ReadonlySet<string> = new Set(
  (
    'session ping pong ack nack cancel interrupt resume backpressure checkpoint tool job workflow agent stream human ' +
    'permission lease subscribe unsubscribe artifact event log metric trace'
  ).split(' '),
);

export type NameClass = 'core' | 'extension' | 'reserved';

/** What a message type, or a capability, is by its name alone. */
export function classifyName(name: string): NameClass {
  if (name.startsWith('x-')) return 'reserved';
  return isExtensionName(name) ? 'extension' : 'core';
}

/** Whether the name is an extension's by its form; whether it was agreed on is another question. */
export function isExtensionName(name: string): boolean {
  if (name.length > MAX_LENGTH) return false;
  const segments = name.split('.');
  const [root = '', ...rest] = segments;
  const version = rest.pop() ?? '';
  if (rest.length === 0 || !rest.every(isLabel) || !/^v[0-9]+$/.test(version)) return false;
  if (root === 'arcpx') return rest.length <= 2;
  return /^[a-z]{2,8}$/.test(root) && !CORE_ROOTS.has(root);
}

function isLabel(segment: string): boolean {
  return /^[a-z0-9_-]+$/.test(segment);
}

/** Opt-ins to the types that a peer of another make may be unable to decode (decision 17). */
export const OPT_IN = {
  delegate: 'arcpx.arcp.delegate.v1',
  handoff: 'arcpx.arcp.handoff.v1',
  checkpoint: 'arcpx.arcp.checkpoint.v1',
  schedule: 'arcpx.arcp.schedule.v1',
  workflow: 'arcpx.arcp.workflow.v1',
  human: 'arcpx.arcp.human.v1',
  /** Opts in to no type, but to a proof in the handshake (`identity.ts`). */
  identity: 'arcpx.arcp.identity.v1',
  /** Of sessions that host agents: both sides confirm messages, and repeat after a drop what is not confirmed. */
  host: 'arcpx.arcp.host.v1',
  /** To be told, by `event.emit` of the name `agents.changed`, when agents come and go. */
  agents: 'arcpx.arcp.agents.v1',
} as const;

export type OptIn = (typeof OPT_IN)[keyof typeof OPT_IN];
