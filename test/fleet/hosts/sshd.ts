/** A real `sshd` on this machine's loopback address, for this user alone. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].find((path) => existsSync(path));

export const HAS_SSHD = SSHD !== undefined;
export const NEEDS_SSHD = HAS_SSHD ? '' : ' (skipped: there is no sshd on this machine)';

export interface Sshd {
  readonly port: number;
  readonly user: string;
  /** The private key that it lets in. */
  readonly identity: string;
  readonly fingerprint: string;
  /** A file of known hosts that knows it. */
  readonly knownHosts: string;
  /** What it has logged. */
  readonly log: () => string;
  stop(): Promise<void>;
}

function newKey(path: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  return readFileSync(`${path}.pub`, 'utf8');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startSshd(folder: string): Promise<Sshd> {
  if (SSHD === undefined) throw new Error('there is no sshd');
  // The folder that its child without privileges is put in.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const hostKey = join(folder, 'host_key');
  const identity = join(folder, 'id');
  const [type = '', key = ''] = newKey(hostKey).split(' ');
  writeFileSync(join(folder, 'authorized_keys'), newKey(identity), { mode: 0o600 });
  const port = await freePort();
  const config = join(folder, 'sshd_config');
  writeFileSync(
    config,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'LogLevel VERBOSE',
      '',
    ].join('\n'),
  );
  const child: ChildProcess = spawn(SSHD, ['-D', '-e', '-f', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('Server listening')) resolve();
    });
    child.once('exit', () => {
      reject(new Error(`sshd ended:\n${log}`));
    });
  });
  const knownHosts = join(folder, 'known_hosts');
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${type} ${key}\n`);
  const [, fingerprint = ''] = execFileSync('ssh-keygen', ['-lf', `${hostKey}.pub`], {
    encoding: 'utf8',
  }).split(' ');
  return {
    port,
    user: userInfo().username,
    identity,
    fingerprint,
    knownHosts,
    log: () => log,
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => {
          resolve();
        });
        child.kill('SIGTERM');
      }),
  };
}
