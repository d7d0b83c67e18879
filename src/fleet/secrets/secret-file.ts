/**
 * Secrets in files: one a file, named by its key, in a folder of the operator's.
 * A file that others can read, or that others could put in the place of the right one, is refused and not used.
 */
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';

const MAX_BYTES = 65_536;

/** The value, without the newline at its end; `undefined` where there is no such file. */
export async function readSecretFile(folder: string, key: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    await assertFolder(folder);
    // No link: what it leads to could be changed under our hands. Not waiting: a pipe would wait for ever.
    file = await open(join(folder, key), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP') throw unsafe(key, 'is a link');
    throw error;
  }
  try {
    const status = await file.stat();
    if (!status.isFile()) throw unsafe(key, 'is no file');
    if (!isWindows && (status.mode & 0o077) !== 0) throw unsafe(key, 'can be read by others: chmod 600 it');
    if (!isWindows && status.uid !== process.getuid?.() && status.uid !== 0)
      throw unsafe(key, 'is somebody else’s');
    if (status.size > MAX_BYTES) throw unsafe(key, `is larger than ${MAX_BYTES} bytes`);
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.toString('utf8', 0, Math.min(bytesRead, MAX_BYTES)).replace(/\r?\n$/, '');
  } finally {
    await file.close();
  }
}

/** Windows has no such modes: there the user's profile folder is what keeps others out. */
const isWindows = process.platform === 'win32';

async function assertFolder(folder: string): Promise<void> {
  const { mode } = await stat(folder);
  if (!isWindows && (mode & 0o022) !== 0) {
    throw new ArcpError('FAILED_PRECONDITION', `others can write in ${folder}: chmod 700 it`);
  }
}

function unsafe(key: string, why: string): ArcpError {
  return new ArcpError('FAILED_PRECONDITION', `the secret file ${key} ${why}`);
}
