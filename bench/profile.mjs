/** Reads a V8 CPU profile: where the time went, by function. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseJson } from './ipc.mjs';

/** @typedef {{ id: number; callFrame: { functionName: string; url: string; lineNumber: number } }} ProfileNode */
/** @typedef {{ nodes: ProfileNode[]; samples: number[]; timeDeltas: number[] }} Profile */

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * The functions with the most time of their own, idle time left out, as shares of the busy time.
 * @param {string} file
 * @param {number} count
 */
export function topOf(file, count) {
  const profile = /** @type {Profile} */ (parseJson(readFileSync(file, 'utf8')));
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
  /** @type {Map<string, number>} */
  const times = new Map();
  let busy = 0;
  for (const [index, sample] of profile.samples.entries()) {
    const name = names.get(sample) ?? '';
    const time = profile.timeDeltas[index] ?? 0;
    if (name === '(idle)' || name === '(root)') continue;
    busy += time;
    times.set(name, (times.get(name) ?? 0) + time);
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, time]) => ({ name, share: time / busy }));
}

/** @param {ProfileNode} node */
function nameOf({ callFrame: { functionName, url, lineNumber } }) {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const file = url.startsWith('file://') ? relative(ROOT, fileURLToPath(url)) : url;
  return `${name} ${file}:${lineNumber + 1}`;
}
