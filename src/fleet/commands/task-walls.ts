/**
 * What the processes of a task are kept from, by the lease and the profile of its job.
 *
 * (P1) A task that may write its whole workspace, use every address and run every program is trusted with this machine as
 *      its operator's own processes are: no walls. Every other one runs within walls, or not at all.
 * (P2) Within walls the workspace can be read, and what the lease names can be written. Places are handed over by name:
 *      they are looked at first, no link is followed, and tasks that write the same places never run together.
 * (P3) A place that is to be written and is not there yet is made: a file where its name has an ending, else a folder.
 */
import { mkdir, open, realpath } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { confinementOf, Reach, type Confinement, type LeasedActs } from '../../agents/process/confinement.js';
import { ArcpError } from '../../protocol/errors.js';
import type { WorkerProfile } from '../../protocol/worker-profile.js';

export interface TaskWalls {
  readonly confinement: Confinement;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/** @param workspace absolute, with its links followed */
export async function taskWalls(
  lease: LeasedActs,
  profile: WorkerProfile,
  workspace: string,
): Promise<TaskWalls> {
  const confinement = confinementOf(lease, profile);
  if (confinement.kind === 'none' || isTrusted(lease, profile, workspace, confinement.network)) {
    return { confinement: { kind: 'none' }, reads: [], writes: [] };
  }
  const writes: string[] = [];
  const reads: string[] = [];
  for (const { path, writable } of confinement.places) {
    if (writable) writes.push(await writablePlace(path));
    else if (await isPlain(path)) reads.push(path);
  }
  return { confinement: { ...confinement, places: [] }, reads, writes };
}

/** (P1) */
function isTrusted(lease: LeasedActs, profile: WorkerProfile, workspace: string, network: boolean): boolean {
  const writes = profile.permissions.write && new Reach(lease, 'fs.write').coversAll(`${workspace}/**`);
  return writes && network && profile.shell === 'full';
}

/** (P2, P3) */
async function writablePlace(path: string): Promise<string> {
  try {
    await mkdir(extname(path) === '' ? path : dirname(path), { recursive: true });
    if (extname(path) !== '') await (await open(path, 'a')).close();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A folder with an ending in its name is one that is there already.
    if (code !== 'EISDIR' && code !== 'EEXIST') {
      throw new ArcpError('FAILED_PRECONDITION', `${path} cannot be made: ${code ?? String(error)}`);
    }
  }
  if (await isPlain(path)) return path;
  throw new ArcpError('FAILED_PRECONDITION', `${path} is to be written, but there is a link on the way`);
}

async function isPlain(path: string): Promise<boolean> {
  return (await realpath(path).catch(() => undefined)) === path;
}
