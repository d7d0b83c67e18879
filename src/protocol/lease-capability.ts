/**
 * The capabilities that a lease may name, and what their patterns are patterns of. One table.
 * Each has two spellings on the wire, dotted (draft-1.1 §9) and with an underscore (arcp-core `permissions.rs`); inside
 * there is only the dotted one.
 */
import { isExtensionName } from './extensions.js';

/** What a capability's targets are; each kind has its own canonical form and separators. */
export type TargetKind = 'path' | 'url' | 'name' | 'agent' | 'model';

export const CAPABILITIES = {
  'fs.read': { classic: 'fs_read', target: 'path', meaning: 'Read files and folders.' },
  'fs.write': { classic: 'fs_write', target: 'path', meaning: 'Make, change and remove files and folders.' },
  'net.fetch': { classic: 'net_fetch', target: 'url', meaning: 'Send requests to addresses.' },
  'tool.call': { classic: 'tool_call', target: 'name', meaning: 'Call tools.' },
  'agent.delegate': { classic: 'agent_delegate', target: 'agent', meaning: 'Start children.' },
  'model.use': { classic: 'model_use', target: 'model', meaning: 'Use models.' },
} as const satisfies Record<string, { classic: string; target: TargetKind; meaning: string }>;

export type CoreCapability = keyof typeof CAPABILITIES;

/** A core capability in its dotted spelling, or a name of somebody's own (`arcpx.acme.gpu.v1`, `x-vendor.acme.gpu`). */
export type Capability = string;

const BY_SPELLING: ReadonlyMap<string, CoreCapability> = new Map(
  (Object.keys(CAPABILITIES) as CoreCapability[]).flatMap((name) => [
    [name, name],
    [CAPABILITIES[name].classic, name],
  ]),
);

/** Labels of at least a vendor and a name (draft-1.1 §9.2). */
const VENDOR = /^x-vendor(\.[a-z0-9_-]+){2,}$/;
const MAX_VENDOR_LENGTH = 256;

/** The capability that a lease's member names in either spelling, or `undefined` where it names none. */
export function capabilityOf(member: string): Capability | undefined {
  return BY_SPELLING.get(member) ?? (isVendorCapability(member) ? member : undefined);
}

export function isCoreCapability(name: string): name is CoreCapability {
  return Object.hasOwn(CAPABILITIES, name);
}

export function isVendorCapability(name: string): boolean {
  return isExtensionName(name) || (name.length <= MAX_VENDOR_LENGTH && VENDOR.test(name));
}

/** Vendors' targets are names. */
export function targetKind(capability: Capability): TargetKind {
  return isCoreCapability(capability) ? CAPABILITIES[capability].target : 'name';
}
