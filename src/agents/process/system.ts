/**
 * What of this machine every process has in sight, walls or not: the programs and libraries of the system and the few
 * files of its configuration that those read. Nobody's data, no keys, no passwords.
 */
import { lstat, readlink } from 'node:fs/promises';

/** Folders of the system, as far as they are there. Some of them are links into others. */
const FOLDERS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store', '/gnu/store'];

/** Where programs are, which a profile may hide. */
const PROGRAM_FOLDERS = [
  '/usr/bin',
  '/usr/sbin',
  '/usr/games',
  '/usr/libexec',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/local/games',
  '/usr/local/libexec',
  '/bin',
  '/sbin',
];

/** What libraries look for: the loader's cache, names of users and services, certificates, the time zone. */
const FILES = [
  '/etc/alternatives',
  '/etc/ca-certificates',
  '/etc/group',
  '/etc/host.conf',
  '/etc/hosts',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/localtime',
  '/etc/mime.types',
  '/etc/nsswitch.conf',
  '/etc/passwd',
  '/etc/pki/tls/certs',
  '/etc/protocols',
  '/etc/resolv.conf',
  '/etc/services',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
];

export interface SystemPlaces {
  readonly folders: readonly string[];
  /** Where they lead to, and themselves. */
  readonly links: readonly (readonly [string, string])[];
  readonly files: readonly string[];
  /** Folders of programs, links left out. */
  readonly programs: readonly string[];
}

let found: Promise<SystemPlaces> | undefined;

/** The places of this machine; looked for once. */
export function systemPlaces(): Promise<SystemPlaces> {
  return (found ??= look());
}

async function look(): Promise<SystemPlaces> {
  const folders: string[] = [];
  const links: [string, string][] = [];
  for (const path of FOLDERS) {
    const kind = await kindOf(path);
    if (kind === 'folder') folders.push(path);
    if (kind === 'link') links.push([await readlink(path), path]);
  }
  const files = await those(FILES, (kind) => kind !== 'nothing');
  const programs = await those(PROGRAM_FOLDERS, (kind) => kind === 'folder');
  return { folders, links, files, programs };
}

async function those(
  paths: readonly string[],
  wanted: (kind: 'folder' | 'link' | 'other' | 'nothing') => boolean,
): Promise<string[]> {
  const kinds = await Promise.all(paths.map(kindOf));
  return paths.filter((_, at) => wanted(kinds[at] ?? 'nothing'));
}

async function kindOf(path: string): Promise<'folder' | 'link' | 'other' | 'nothing'> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) return 'link';
    return stats.isDirectory() ? 'folder' : 'other';
  } catch {
    return 'nothing';
  }
}
