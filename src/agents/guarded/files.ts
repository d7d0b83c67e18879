/**
 * `ctx.fs`: files and folders, as far as the lease of the job covers them.
 *
 * (F1) What is asked for is the real path: links are followed first, and the lease is asked about where they lead.
 * (F2) What is opened is what was asked for: the last part is opened without following a link, and where the system says
 *      what an open file is called (Linux), that is asked for too before a byte is read or written.
 * (F3) To remove or make a tree is to remove or make each of its entries; all are asked for before the first is touched.
 *
 * Not guarded: hard links, which have no path to follow; another process that swaps folders between the check and the
 * act where the system does not name open files, and for `mkdir`, `rm` and `readdir` everywhere. Against hostile processes
 * of the same user there is no other defence than not to share a folder with them.
 */
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';
import type { FileEntry, FileInfo, GuardedFiles } from '../agent.js';
import { fileError, isMissing } from './file-errors.js';
import { leasePath, realEntry, realTarget } from './real-path.js';

type Access = 'fs.read' | 'fs.write';

/** Asks for an act; rejects where it is refused. */
export type Ask = (capability: Access, path: string) => Promise<unknown>;

/** Entries of one folder, or of one tree that is removed. */
const MAX_ENTRIES = 100_000;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

const { O_RDONLY, O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK, O_EXCL } = constants;

/** @param ask the job's authority */
export function guardedFiles(ask: Ask): GuardedFiles {
  const may = async (access: Access, path: string): Promise<string> => {
    await ask(access, leasePath(path));
    return path;
  };
  const told = async <T>(path: string, act: () => Promise<T>): Promise<T> => {
    if (path.includes('\0')) throw new ArcpError('INVALID_ARGUMENT', 'a path has no NUL');
    try {
      return await act();
    } catch (error) {
      throw fileError(error, path);
    }
  };

  /** Opens a regular file (F2), and closes it again when `use` is done. */
  const opened = async <T>(
    access: Access,
    real: string,
    flags: number,
    use: (file: fs.FileHandle) => Promise<T>,
  ): Promise<T> => {
    // A pipe would be waited for; opened without waiting it is refused below.
    const file = await fs.open(real, flags | O_NOFOLLOW | O_NONBLOCK, 0o666);
    try {
      if (!(await file.stat()).isFile()) throw new ArcpError('FAILED_PRECONDITION', `${real}: not a file`);
      const actual = await nameOf(file);
      if (actual !== undefined && actual !== real) await may(access, actual);
      return await use(file);
    } finally {
      await file.close();
    }
  };

  const readBytes = (path: string, maxBytes: number): Promise<Buffer> =>
    told(path, async () => {
      const real = await may('fs.read', await realTarget(path));
      return opened('fs.read', real, O_RDONLY, async (file) => {
        const parts: Buffer[] = [];
        let size = 0;
        for await (const part of file.createReadStream({ autoClose: false })) {
          size += (part as Buffer).length;
          if (size > maxBytes)
            throw new ArcpError('RESOURCE_EXHAUSTED', `${path}: more than ${maxBytes} bytes`, {
              retryable: false,
            });
          parts.push(part as Buffer);
        }
        return Buffer.concat(parts, size);
      });
    });

  return {
    readFile: async (path, { maxBytes = DEFAULT_MAX_BYTES } = {}) => readBytes(path, maxBytes),

    readText: async (path, { maxBytes = DEFAULT_MAX_BYTES } = {}) => {
      const bytes = await readBytes(path, maxBytes);
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch (error) {
        throw new ArcpError('FAILED_PRECONDITION', `${path}: not UTF-8`, { cause: error });
      }
    },

    writeFile: (path, data, { append = false, exclusive = false } = {}) =>
      told(path, async () => {
        const real = await may('fs.write', await realTarget(path));
        // Truncated only once it is known what was opened.
        const flags = O_WRONLY | O_CREAT | (append ? O_APPEND : 0) | (exclusive ? O_EXCL : 0);
        await opened('fs.write', real, flags, async (file) => {
          if (!append) await file.truncate(0);
          await file.writeFile(data);
        });
      }),

    readdir: (path) =>
      told(path, async () => {
        const real = await may('fs.read', await realTarget(path));
        return entriesOf(real);
      }),

    stat: (path) =>
      told(path, async (): Promise<FileInfo> => {
        const real = await may('fs.read', await realTarget(path));
        const stats = await fs.lstat(real);
        return { kind: kindOf(stats), size: stats.size, modifiedAt: stats.mtime.toISOString() };
      }),

    mkdir: (path, { recursive = false } = {}) =>
      told(path, async () => {
        const real = await realTarget(path);
        const missing: string[] = [];
        if (recursive) {
          for (let at = real; !(await isThere(at)); at = dirname(at)) missing.unshift(at);
          if (missing.length === 0) await may('fs.write', real);
        } else {
          missing.push(real);
        }
        for (const folder of missing) await may('fs.write', folder);
        for (const folder of missing) await fs.mkdir(folder);
      }),

    rm: (path, { recursive = false } = {}) =>
      told(path, async () => {
        const real = await may('fs.write', await realEntry(path));
        const isFolder = (await fs.lstat(real)).isDirectory();
        if (!isFolder) {
          await fs.unlink(real);
          return;
        }
        if (!recursive) {
          await fs.rmdir(real);
          return;
        }
        const tree = await treeOf(real);
        for (const { path: entry } of tree) await may('fs.write', entry);
        // Deepest first, one by one: what was not there when it was asked for is not removed.
        for (const entry of tree.reverse())
          await (entry.kind === 'folder' ? fs.rmdir(entry.path) : fs.unlink(entry.path));
        await fs.rmdir(real);
      }),
  };
}

/** What the system calls an open file; nothing where it does not say. */
async function nameOf(file: fs.FileHandle): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  return fs.readlink(`/proc/self/fd/${file.fd}`).catch(() => undefined);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await fs.lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function kindOf(entry: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}): FileEntry['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

async function entriesOf(folder: string, most = MAX_ENTRIES): Promise<FileEntry[]> {
  const entries: FileEntry[] = [];
  for await (const entry of await fs.opendir(folder)) {
    if (entries.length >= most)
      throw new ArcpError('RESOURCE_EXHAUSTED', `${folder}: more than ${MAX_ENTRIES} entries`, {
        retryable: false,
      });
    entries.push({ name: entry.name, kind: kindOf(entry) });
  }
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** What is below a folder, folders before what is in them. Links are not followed. */
async function treeOf(folder: string): Promise<{ path: string; kind: FileEntry['kind'] }[]> {
  const tree: { path: string; kind: FileEntry['kind'] }[] = [];
  const open = [folder];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const { name, kind } of await entriesOf(at, MAX_ENTRIES - tree.length)) {
      const path = join(at, name);
      tree.push({ path, kind });
      if (kind === 'folder') open.push(path);
    }
  }
  return tree;
}
