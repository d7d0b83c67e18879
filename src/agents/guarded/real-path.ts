/**
 * Where a path really leads: every symbolic link in it followed, also those of the folders in front of what is not there.
 */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fileError, isMissing } from './file-errors.js';

/** The real path of what is there, or of where it would be. Relative paths are meant from the working directory. */
export async function realTarget(path: string): Promise<string> {
  const missing: string[] = [];
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      return join(await realpath(at), ...missing);
    } catch (error) {
      if (!isMissing(error) || dirname(at) === at) throw fileError(error, path);
      missing.unshift(basename(at));
    }
  }
}

/** The real path of an entry itself, which may be a link: its folder is followed, it is not. */
export async function realEntry(path: string): Promise<string> {
  const full = resolve(path);
  return dirname(full) === full ? full : join(await realTarget(dirname(full)), basename(full));
}

/** As leases have it: with `/` between segments, also where the system has another. */
export function leasePath(path: string): string {
  if (sep === '/') return path;
  const slashed = path.replaceAll(sep, '/');
  return slashed.startsWith('/') ? slashed : `/${slashed}`;
}
