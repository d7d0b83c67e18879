/**
 * Walls as the words of a `bwrap` command: a pure function. bubblewrap is what Flatpak runs programs in.
 *
 * (V1) Nothing is in sight but what is listed here, and nothing of it can be written but the process's own folder, its own
 *      /tmp, and what the walls leave writable. The agent's own files stay read-only even within such a folder.
 * (V2) Places of a lease are handed over as open folders and never by name: whoever else can write beside them could put a
 *      link in their place between the look and the act. The system's own folders are nobody's to replace.
 * (V3) No capabilities, no way to gain any, no other processes, no other process's memory, semaphores or queues; the walls
 *      fall on the process when this one dies.
 */
import type { LocatedCommand } from './command.js';
import type { OpenPlace, OpenPrograms } from './confinement.js';
import type { SystemPlaces } from './system.js';

/** A place of a lease, opened. */
export interface OpenedPlace extends OpenPlace {
  /** The number under which the process that builds the walls has it open. */
  readonly fd: number;
}

export interface Walls {
  readonly network: boolean;
  readonly programs: OpenPrograms;
  /** Whether all files of this machine are in sight, and whether they can be written. */
  readonly everywhere: 'read' | 'write' | undefined;
  readonly places: readonly OpenedPlace[];
}

export interface Enclosure {
  readonly walls: Walls;
  readonly system: SystemPlaces;
  readonly command: LocatedCommand;
  /** Files and folders that the operator lets the agent read beside. */
  readonly reads: readonly string[];
  /** The same for writing: whoever starts the process vouches that nobody can put a link in their place. */
  readonly writes: readonly string[];
  /** The process's own folder. */
  readonly folder: string;
  /** Where it starts. */
  readonly cwd: string;
  /** Numbers of the open files for the filter of system calls and for the status. */
  readonly filterFd: number;
  readonly statusFd: number;
}

const ALWAYS = [
  '--die-with-parent',
  '--new-session',
  '--unshare-user',
  '--unshare-pid',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-cgroup-try',
  '--cap-drop',
  'ALL',
];

/** The words behind `bwrap`. */
export function bubblewrapWords(enclosure: Enclosure): string[] {
  const { walls, system, command, reads, writes, folder, cwd, filterFd, statusFd } = enclosure;
  return [
    ...ALWAYS,
    ...(walls.network ? [] : ['--unshare-net']),
    ...['--seccomp', String(filterFd), '--json-status-fd', String(statusFd)],
    ...rootWords(walls, system),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...(hasTmp(walls) ? [] : ['--tmpfs', '/tmp']),
    ...walls.places.flatMap(({ path, writable, fd }) => [
      writable ? '--bind-fd' : '--ro-bind-fd',
      String(fd),
      path,
    ]),
    ...(walls.programs === 'all' ? [] : hiddenWords(walls.programs, system)),
    ...reads.flatMap((path) => ['--ro-bind', path, path]),
    ...writes.flatMap((path) => ['--bind', path, path]),
    ...fileWords(enclosure),
    ...(walls.programs === 'all' ? [] : system.programs.flatMap((path) => ['--remount-ro', path])),
    ...['--bind', folder, folder],
    ...(walls.everywhere === undefined ? ['--remount-ro', '/'] : []),
    ...['--chdir', cwd, '--', command.program, ...command.words],
  ];
}

function rootWords({ everywhere }: Walls, system: SystemPlaces): string[] {
  if (everywhere !== undefined) return [everywhere === 'write' ? '--bind' : '--ro-bind', '/', '/'];
  return [
    ...system.folders.flatMap((path) => ['--ro-bind', path, path]),
    ...system.links.flatMap(([target, path]) => ['--symlink', target, path]),
    ...system.files.flatMap((path) => ['--ro-bind-try', path, path]),
  ];
}

/** Whether the machine's /tmp is in sight, and not one of the process's own. */
function hasTmp({ everywhere, places }: Walls): boolean {
  return everywhere !== undefined || places.some(({ path }) => path === '/tmp');
}

/** Empty folders where programs are, and in them those that stay. */
function hiddenWords(programs: readonly string[], system: SystemPlaces): string[] {
  return [
    ...system.programs.flatMap((path) => ['--tmpfs', path]),
    ...programs.flatMap((name) => {
      const path = `${system.programs.includes('/usr/bin') ? '/usr/bin' : '/bin'}/${name}`;
      return ['--ro-bind-try', path, path];
    }),
  ];
}

function fileWords({ walls, system, command, reads }: Enclosure): string[] {
  const isIn = (folders: readonly string[], path: string): boolean =>
    folders.some((folder) => path.startsWith(`${folder}/`));
  const isHidden = (path: string): boolean => walls.programs !== 'all' && isIn(system.programs, path);
  const isSystem = (path: string): boolean => isIn(system.folders, path) && !isHidden(path);
  const inSight = [...reads, ...walls.places.map(({ path }) => path)];
  return command.files.flatMap(({ path, real }) => {
    const words = isSystem(real) ? [] : ['--ro-bind', real, real];
    // A link that is in sight leads there.
    const isLinked =
      isSystem(path) || (!isHidden(path) && (walls.everywhere !== undefined || isIn(inSight, path)));
    return path === real || isLinked ? words : [...words, '--ro-bind', real, path];
  });
}
