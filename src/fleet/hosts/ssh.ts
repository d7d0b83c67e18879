/**
 * Workers on other machines, by the system's `ssh`.
 *
 * (S1) Nobody is asked anything: `BatchMode`. Nothing of ours is open to the other side: no agent, no forwarding, no
 *      commands of its configuration.
 * (S2) A pinned fingerprint is verified before anything is sent: the key that has it is asked for first, and `ssh` is then
 *      given that key as the only one that the host may have. So no other host is ever authenticated to.
 * (S3) Where nothing is pinned `ssh` decides by the operator's own known hosts, and nobody counts that as verified.
 * (S4) What is said to the remote shell are words in quotation marks. No variable travels by `ssh`; see `handover.ts`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ArcpError } from '../../protocol/errors.js';
import type { FleetHostSpec, FleetWorkerSpec } from '../../protocol/fleet/index.js';
import { WORKER_COMMAND } from './launch.js';

const run = promisify(execFile);

export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly identity: string | undefined;
  readonly knownHosts: string | undefined;
  readonly fingerprint: string | undefined;
  readonly folder: string | undefined;
  readonly program: string | undefined;
}

/** A worker's key (`auth`) says more of the way to its host than the host itself does. */
export function sshTarget(
  host: Extract<FleetHostSpec, { kind: 'ssh' }>,
  { auth }: FleetWorkerSpec,
  base: string,
): SshTarget {
  const key = auth?.method === 'ssh_key' ? auth : undefined;
  const file = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : resolve(base, path);
  return {
    host: host.host,
    port: host.port ?? 22,
    user: key?.user ?? host.user,
    identity: file(key?.identity ?? host.identity),
    knownHosts: file(key?.known_hosts ?? host.known_hosts),
    fingerprint: key?.host_key_fingerprint ?? host.host_key_fingerprint,
    folder: host.working_directory,
    program: host.codewhale_binary,
  };
}

/** The name under which a pinned key is told to `ssh`. */
const ALIAS = 'arcp-pinned';

/**
 * The words of `ssh`.
 * @param pinned the file that has the one key that the host may have (S2)
 */
export function sshWords(
  target: SshTarget,
  words: readonly string[],
  pinned: string | undefined,
): readonly string[] {
  const { host, port, user, identity, knownHosts } = target;
  const keys =
    pinned !== undefined
      ? [`UserKnownHostsFile=${quoted(pinned)}`, `HostKeyAlias=${ALIAS}`]
      : knownHosts !== undefined
        ? [`UserKnownHostsFile=${quoted(knownHosts)}`]
        : [];
  const options = [
    'BatchMode=yes',
    'ConnectTimeout=10',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=3',
    'ForwardAgent=no',
    'ForwardX11=no',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'UpdateHostKeys=no',
    'StrictHostKeyChecking=yes',
    'LogLevel=ERROR',
    ...keys,
    ...(keys.length === 0 ? [] : ['GlobalKnownHostsFile=/dev/null']),
    ...(identity === undefined ? [] : ['IdentitiesOnly=yes']),
  ];
  return [
    '-T',
    ...options.flatMap((option) => ['-o', option]),
    ...['-p', String(port)],
    ...(identity === undefined ? [] : ['-i', identity]),
    ...(user === undefined ? [] : ['-l', user]),
    host,
    remoteCommand(target, words),
  ];
}

/** (S4) */
function remoteCommand({ folder, program }: SshTarget, words: readonly string[]): string {
  const command = [program ?? WORKER_COMMAND[0], ...WORKER_COMMAND.slice(1), ...words]
    .map(shellWord)
    .join(' ');
  return folder === undefined ? `exec ${command}` : `cd ${shellWord(folder)} && exec ${command}`;
}

/** One word, for a POSIX shell. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** As ssh_config reads the name of a file. */
function quoted(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}

interface HostKey {
  readonly type: string;
  readonly key: string;
}

/**
 * The pinned key of a host, kept in a file for `ssh` (S2).
 * @throws ArcpError UNAVAILABLE where the host shows no key, PERMISSION_DENIED where it shows others.
 */
export async function pinKey(target: SshTarget, file: string): Promise<string | undefined> {
  const { fingerprint, knownHosts } = target;
  if (fingerprint === undefined) return undefined;
  const wanted = fingerprint.replace(/=$/, '');
  const shown = await keysOf(target);
  const key = shown.find((each) => fingerprintOf(each) === wanted);
  if (key === undefined) {
    const others = shown.map(fingerprintOf).join(', ');
    throw denied(target, `its key is not the pinned one ${wanted}: it shows ${others}`);
  }
  if (knownHosts !== undefined && !(await isKnown(target, knownHosts, key)))
    throw denied(target, `its key is the pinned one, but is not that of the host in known_hosts`);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${ALIAS} ${key.type} ${key.key}\n`, { mode: 0o600 });
  return file;
}

function denied({ host }: SshTarget, why: string): ArcpError {
  return new ArcpError('PERMISSION_DENIED', `${host} does not prove who it is: ${why}`);
}

/** As `ssh-keygen -l` shows it. */
export function fingerprintOf({ key }: Pick<HostKey, 'key'>): string {
  const digest = createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64');
  return `SHA256:${digest.replace(/=$/, '')}`;
}

async function keysOf({ host, port }: SshTarget): Promise<readonly HostKey[]> {
  let text = '';
  try {
    const words = ['-T', '10', '-p', String(port), host];
    text = (await run('ssh-keyscan', words, { timeout: 15_000, maxBuffer: 1_048_576 })).stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new ArcpError('FAILED_PRECONDITION', 'a pinned key takes ssh-keyscan, which is not installed');
  }
  const keys = readKeys(text);
  if (keys.length > 0) return keys;
  throw new ArcpError('UNAVAILABLE', `${host}:${port} shows no host key`, { retryable: true });
}

function readKeys(text: string): readonly HostKey[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', type, key] = line.trim().split(/\s+/);
    return name.startsWith('#') || type === undefined || key === undefined ? [] : [{ type, key }];
  });
}

async function isKnown({ host, port }: SshTarget, file: string, { key }: HostKey): Promise<boolean> {
  const name = port === 22 ? host : `[${host}]:${port}`;
  try {
    const { stdout } = await run('ssh-keygen', ['-F', name, '-f', file], { timeout: 15_000 });
    return readKeys(stdout).some((known) => known.key === key);
  } catch {
    return false;
  }
}
