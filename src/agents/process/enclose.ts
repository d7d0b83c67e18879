/**
 * From what a process has to be kept from to the command that starts it so, on this machine.
 *
 * (D1) Where walls are needed and cannot be built, nothing is started: FAILED_PRECONDITION, which says what is missing.
 * (D2) Of the places of a lease those are opened that are there, that are what the lease says (a folder for `/data/**`, a
 *      file for `/data/a.txt`), and that no link leads to: a lease means real paths. The others stay out of sight.
 * (D3) What the kernel shows of itself (/proc, /sys, /dev) is no place of a lease.
 */
import { constants } from 'node:fs';
import { access, open, readlink, type FileHandle } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { ArcpError } from '../../protocol/errors.js';
import { bubblewrapWords, type OpenedPlace } from './bubblewrap.js';
import type { LocatedCommand } from './command.js';
import type { Confinement, OpenPlace } from './confinement.js';
import { seccompFilter } from './seccomp.js';
import { systemPlaces } from './system.js';

/** A command as it is spawned. */
export interface Launch {
  readonly program: string;
  readonly words: readonly string[];
  /** Of a process within walls; without them it is spawned as it is. */
  readonly walled: Walled | undefined;
}

export interface Walled {
  /** The filter of system calls, to be read from `FILTER_FD`. */
  readonly filter: Buffer;
  /** Files to be handed over from `FIRST_PLACE_FD` on, and closed here then. */
  readonly places: readonly FileHandle[];
}

export const FILTER_FD = 3;
export const STATUS_FD = 4;
export const FIRST_PLACE_FD = 5;

/** Places of one lease that are opened (L7): each is an open file while a process is started. */
const MAX_PLACES = 64;

/** linux/fcntl.h: a name of a file that reads nothing and waits for nothing. Node does not list it. */
const O_PATH = 0x20_0000;

const run = promisify(execFile);

/** Throws FAILED_PRECONDITION (D1). */
export async function enclose(
  confinement: Confinement,
  command: LocatedCommand,
  reads: readonly string[],
  folder: string,
  { writes = [], cwd = folder }: { readonly writes?: readonly string[]; readonly cwd?: string } = {},
): Promise<Launch> {
  if (confinement.kind === 'none')
    return { program: command.program, words: command.words, walled: undefined };
  const { network, programs } = confinement;
  const places = confinement.places.filter(({ path }) => path !== '/' && !isOfKernel(path));
  const root = confinement.places.find(({ path }) => path === '/');
  if (places.length > MAX_PLACES) throw refusal(`its lease names more than ${MAX_PLACES} places`);
  const bwrap = await bubblewrap();
  if (places.length > 0 && !bwrap.takesOpenPlaces)
    throw refusal(`${bwrap.path} has no --bind-fd, which a lease with places needs: install bubblewrap 0.11`);
  const filter = seccompFilter();
  if (filter === undefined) throw refusal(`processes cannot be confined on ${process.arch}`);
  const opened: { readonly place: OpenPlace; readonly file: FileHandle }[] = [];
  try {
    for (const place of places) {
      const file = await openPlace(place);
      if (file !== undefined) opened.push({ place, file });
    }
    const words = bubblewrapWords({
      walls: {
        network,
        programs,
        everywhere: root === undefined ? undefined : root.writable ? 'write' : 'read',
        places: opened.map(({ place }, at): OpenedPlace => ({ ...place, fd: FIRST_PLACE_FD + at })),
      },
      system: await systemPlaces(),
      command,
      reads,
      writes,
      folder,
      cwd,
      filterFd: FILTER_FD,
      statusFd: STATUS_FD,
    });
    return { program: bwrap.path, words, walled: { filter, places: opened.map(({ file }) => file) } };
  } catch (error) {
    await Promise.all(opened.map(({ file }) => file.close()));
    throw error;
  }
}

/** Lets go of what a launch holds open. */
export async function release({ walled }: Launch): Promise<void> {
  await Promise.all((walled?.places ?? []).map((file) => file.close()));
}

function refusal(why: string): ArcpError {
  return new ArcpError(
    'FAILED_PRECONDITION',
    `the process cannot be confined as the job's lease asks: ${why}`,
  );
}

/** (D3) */
function isOfKernel(path: string): boolean {
  return ['/proc', '/sys', '/dev'].some((top) => path === top || path.startsWith(`${top}/`));
}

/** (D2) */
async function openPlace({ path, deep }: OpenPlace): Promise<FileHandle | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, O_PATH | constants.O_NOFOLLOW);
    const stats = await file.stat();
    const isThat = deep ? stats.isDirectory() || stats.isFile() : stats.isFile();
    if (isThat && (await readlink(`/proc/self/fd/${file.fd}`)) === path) return file;
  } catch {
    // Not there, or not for us.
  }
  await file?.close();
  return undefined;
}

interface Bubblewrap {
  readonly path: string;
  readonly takesOpenPlaces: boolean;
}

let known: Promise<Bubblewrap> | undefined;

/** Looked for until it is found: it may be installed while this runs. */
async function bubblewrap(): Promise<Bubblewrap> {
  known ??= find();
  try {
    return await known;
  } catch (error) {
    known = undefined;
    throw error;
  }
}

async function find(): Promise<Bubblewrap> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (!folder.startsWith('/')) continue;
    const path = join(folder, 'bwrap');
    try {
      await access(path, constants.X_OK);
    } catch {
      continue;
    }
    const { stdout } = await run(path, ['--help'], { timeout: 10_000 });
    return { path, takesOpenPlaces: stdout.includes('--bind-fd') };
  }
  const what =
    process.platform === 'linux' ? 'install bubblewrap (apt install bubblewrap)' : 'that takes Linux';
  throw refusal(`${what}, or let the agent do without walls by trusting it`);
}
