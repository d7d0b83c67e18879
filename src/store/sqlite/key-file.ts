/**
 * The runtime's private key, a file of its own in the data folder, readable by its owner alone.
 * A key that is there is never replaced: whoever knows the runtime by it would take the next one for a stranger.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';

export const KEY_FILE = 'identity.pem';
const PRIVATE = 0o600;
/** Windows has no such modes, and cannot open a folder to sync it. */
const HAS_MODES = process.platform !== 'win32';

/** What the file holds; where there is none yet, what `make` gives. Throws FAILED_PRECONDITION or UNAVAILABLE. */
export function keptKey(folder: string, make: () => string): string {
  const path = join(folder, KEY_FILE);
  try {
    return readPrivate(path) ?? writePrivate(folder, path, make());
  } catch (error) {
    if (error instanceof ArcpError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ArcpError('UNAVAILABLE', `the key of the runtime cannot be kept: ${reason}`, { cause: error });
  }
}

function readPrivate(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    if (HAS_MODES && (fstatSync(file).mode & 0o077) !== 0) {
      throw new ArcpError('FAILED_PRECONDITION', `${path} can be read by others: chmod 600 ${path}`);
    }
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** Whole or not at all, however the process ends. */
function writePrivate(folder: string, path: string, key: string): string {
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  const file = openSync(unfinished, 'wx', PRIVATE);
  try {
    writeFileSync(file, key);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(unfinished, path);
  if (HAS_MODES) {
    const parent = openSync(folder, 'r');
    fsyncSync(parent);
    closeSync(parent);
  }
  return key;
}
