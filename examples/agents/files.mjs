/**
 * Reading a tree of source files: which there are, what language each is in, how long it is.
 * Everything here stops at once when `signal` is aborted and holds one buffer of one file at a time.
 */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';

/** Folders that hold what others wrote, or what was built. */
export const SKIPPED_FOLDERS = new Set(['node_modules', '.git', 'dist']);

/** What tells a binary file from a text, as git does it: a zero byte near its beginning. */
const SNIFFED_BYTES = 8_000;
const NEWLINE = 0x0a;

const LANGUAGES = new Map([
  ['.bash', 'Shell'],
  ['.c', 'C'],
  ['.cc', 'C++'],
  ['.cjs', 'JavaScript'],
  ['.cpp', 'C++'],
  ['.cs', 'C#'],
  ['.css', 'CSS'],
  ['.go', 'Go'],
  ['.h', 'C'],
  ['.html', 'HTML'],
  ['.java', 'Java'],
  ['.js', 'JavaScript'],
  ['.json', 'JSON'],
  ['.jsx', 'JavaScript'],
  ['.kt', 'Kotlin'],
  ['.lua', 'Lua'],
  ['.md', 'Markdown'],
  ['.mjs', 'JavaScript'],
  ['.mts', 'TypeScript'],
  ['.php', 'PHP'],
  ['.py', 'Python'],
  ['.rb', 'Ruby'],
  ['.rs', 'Rust'],
  ['.scss', 'CSS'],
  ['.sh', 'Shell'],
  ['.sql', 'SQL'],
  ['.svelte', 'Svelte'],
  ['.swift', 'Swift'],
  ['.toml', 'TOML'],
  ['.ts', 'TypeScript'],
  ['.tsx', 'TypeScript'],
  ['.txt', 'Text'],
  ['.vue', 'Vue'],
  ['.xml', 'XML'],
  ['.yaml', 'YAML'],
  ['.yml', 'YAML'],
]);

/** @param {string} path */
export function languageOf(path) {
  return LANGUAGES.get(extname(path).toLowerCase()) ?? 'other';
}

/**
 * The regular files below `root`, in the order of their names. Links are not followed. Folders that cannot be read
 * are given to `onUnreadable`; the root itself must be readable.
 *
 * @param {string} root
 * @param {{ recursive: boolean, signal: AbortSignal, onUnreadable: (path: string) => void }} options
 * @returns {AsyncGenerator<string, void, undefined>}
 */
export async function* walk(root, options) {
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    options.signal.throwIfAborted();
    let entries;
    try {
      entries = await readdir(folder, { withFileTypes: true });
    } catch (error) {
      if (folder === root) throw error;
      options.onUnreadable(folder);
      continue;
    }
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) if (entry.isFile()) yield join(folder, entry.name);
    if (!options.recursive) return;
    for (const entry of entries.reverse()) {
      if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) folders.push(join(folder, entry.name));
    }
  }
}

/**
 * Counts the lines and bytes of a text file; of a binary file nothing is read beyond its beginning.
 *
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {Promise<{ kind: 'text', lines: number, bytes: number } | { kind: 'binary' }>}
 */
export async function measure(path, signal) {
  let lines = 0;
  let bytes = 0;
  let last = NEWLINE;
  /** @type {AsyncIterable<Buffer>} */
  const chunks = createReadStream(path, { signal });
  for await (const chunk of chunks) {
    if (bytes === 0 && chunk.subarray(0, SNIFFED_BYTES).includes(0)) return { kind: 'binary' };
    bytes += chunk.length;
    last = chunk[chunk.length - 1] ?? last;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1;
  }
  return { kind: 'text', lines: last === NEWLINE ? lines : lines + 1, bytes };
}
