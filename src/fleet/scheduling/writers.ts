/**
 * Tasks that write the same paths never run together. Whether paths are the same is decided on the safe side: without
 * regard to case or to how accents are composed, since some file systems have none, and a pattern stands for all
 * below its fixed part.
 */
import type { FleetTaskSpec } from '../../protocol/fleet/index.js';

/** Trees that a task may write, each an absolute path in segments. */
export type WriteSet = readonly (readonly string[])[];

/**
 * @param root the workspace's root, absolute and with its links followed
 * @param mayWrite whether the task's role, profile and worker let it write at all
 */
export function writesOf({ workspace }: FleetTaskSpec, root: string, mayWrite: boolean): WriteSet {
  if (!mayWrite) return [];
  const above = segmentsOf(root);
  const paths = workspace?.writable_paths;
  return paths === undefined ? [above] : paths.map((path) => [...above, ...segmentsOf(path)]);
}

/** Whether one of them could write what the other writes. */
export function overlap(a: WriteSet, b: WriteSet): boolean {
  return a.some((one) => b.some((other) => isPrefix(one, other) || isPrefix(other, one)));
}

function isPrefix(short: readonly string[], long: readonly string[]): boolean {
  return short.length <= long.length && short.every((segment, index) => segment === long[index]);
}

function segmentsOf(path: string): string[] {
  const parts: string[] = [];
  for (const part of path
    .normalize('NFC')
    .toLowerCase()
    .split(/[/\\]+/)) {
    if (part === '' || part === '.') continue;
    if (/[*?[{]/.test(part)) break;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts;
}
