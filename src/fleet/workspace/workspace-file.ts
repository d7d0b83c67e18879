/**
 * Opens files of a workspace, and nothing else.
 *
 * (W1) What is opened lies inside: its real path is below the workspace's, and is that of the very file that was opened.
 *      Whoever swaps a folder for a link in between is found out, since device and inode then differ.
 * (W2) Only regular files are read; a pipe or a device is not waited for.
 */
import { constants } from 'node:fs';
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { join, relative, isAbsolute, sep } from 'node:path';
import { pathFault } from './relative-path.js';

/** Windows has none, and no pipes among its files. */
const NONBLOCK: number = process.platform === 'win32' ? 0 : constants.O_NONBLOCK;

export type Opened =
  | { readonly ok: true; readonly file: FileHandle; readonly size: number }
  | { readonly ok: false; readonly why: 'bad_path' | 'missing' | 'outside' | 'not_a_file' | 'unreadable' };

/** Opens a file for reading; whoever gets it closes it. */
export async function openInWorkspace(root: string, path: string): Promise<Opened> {
  if (pathFault(path) !== undefined) return { ok: false, why: 'bad_path' };
  const whole = join(root, ...path.split(/[/\\]/));
  let file: FileHandle;
  try {
    file = await open(whole, constants.O_RDONLY | NONBLOCK);
  } catch (error) {
    return { ok: false, why: whyNot(error) };
  }
  const refusal = await refusalOf(file, root, whole);
  if (refusal === undefined) return { ok: true, file, size: (await file.stat()).size };
  await file.close();
  return { ok: false, why: refusal };
}

async function refusalOf(
  file: FileHandle,
  root: string,
  whole: string,
): Promise<'outside' | 'not_a_file' | 'missing' | undefined> {
  try {
    const opened = await file.stat({ bigint: true });
    const real = await realpath(whole);
    if (!isBelow(await realpath(root), real)) return 'outside';
    const seen = await stat(real, { bigint: true });
    if (seen.dev !== opened.dev || seen.ino !== opened.ino) return 'outside';
    return opened.isFile() ? undefined : 'not_a_file';
  } catch {
    // Gone while we looked.
    return 'missing';
  }
}

function isBelow(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function whyNot(error: unknown): 'missing' | 'not_a_file' | 'unreadable' {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
      return 'missing';
    case 'EISDIR':
    case 'ENXIO':
      return 'not_a_file';
    default:
      return 'unreadable';
  }
}

/** At most `limit` bytes; `undefined` where there are more. */
export async function readAtMost(file: FileHandle, limit: number): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(limit + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length);
    if (bytesRead === 0) return bytes.subarray(0, length);
    length += bytesRead;
    if (length > limit) return undefined;
  }
}
