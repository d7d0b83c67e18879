/** Real processes within real walls: what they are kept from, and what they are not. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startProcess } from '../../../src/agents/process/agent-process.js';
import { confinementOf, type LeasedActs } from '../../../src/agents/process/confinement.js';
import type { ProcessEnd } from '../../../src/agents/process/process-end.js';
import { systemClock } from '../../../src/clock.js';
import { profileForRole, type WorkerProfile } from '../../../src/protocol/worker-profile.js';
import { HAS_WALLS, NEEDS_WALLS } from './bwrap.js';

const GENERAL = profileForRole('general');

let root: string;
let servers: Server[] = [];
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-walls-')));
  for (const name of ['data', 'other']) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, 'a.txt'), `${name}\n`);
  }
  symlinkSync(join(root, 'other'), join(root, 'link'));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});
afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
});

interface Ran {
  readonly out: string;
  readonly printed: string[];
  readonly end: ProcessEnd;
}

interface How {
  readonly lease?: LeasedActs['capabilities'];
  readonly profile?: WorkerProfile;
  readonly closed?: boolean;
  readonly reads?: readonly string[];
}

async function run(command: readonly string[], how: How = {}): Promise<Ran> {
  const { lease = {}, profile = GENERAL, closed = true, reads = [] } = how;
  const printed: string[] = [];
  const options = { command, base: root, env: {}, reads, clock: systemClock };
  const confinement = confinementOf({ capabilities: lease, closed }, profile);
  const child = await startProcess(options, confinement, (line) => printed.push(line));
  child.stdin.end();
  const out = await text(child.stdout);
  const end = await child.ended;
  await child.gone;
  return { out, printed, end };
}

const sh = (script: string, how?: How): Promise<Ran> => run(['sh', '-c', script], how);

async function listening(at: string | { port: number; host: string }): Promise<Server> {
  const server = createServer((socket) => socket.end('hello'));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return server;
}

/** A program that says whether it can connect. */
const CONNECT = `
  const [target] = process.argv.slice(1);
  const socket = require('net').connect(/^[0-9]+$/.test(target) ? { port: Number(target), host: '127.0.0.1' } : target);
  socket.on('data', (data) => console.log(String(data))).on('error', (error) => console.log(error.code));
`;

describe.skipIf(!HAS_WALLS)(`a process without a lease${NEEDS_WALLS}`, () => {
  it('sees none of this machine but its system, and writes nowhere but in its own folder', async () => {
    const { out, end } = await sh(`
      for place in '${root}' /root/.ssh /home /etc/shadow /var /run /work; do test -e $place && echo "sees $place"; done
      for place in /usr /etc / "$HOME/.." /tmp; do touch "$place/arcp-x" 2>/dev/null && echo "wrote $place"; done
      echo mine > mine && cat mine && pwd && echo "$HOME $TMPDIR"
    `);
    const [own, mine, pwd = '', homes] = out
      .replace(/wrote \/tmp\/arcp-agent-\w+\/\.\.\n/, '')
      .trim()
      .split('\n');
    expect([own, mine, homes]).toEqual(['wrote /tmp', 'mine', `${pwd} ${pwd}`]);
    expect(end).toEqual({ kind: 'exited', code: 0 });
    expect([existsSync(pwd), existsSync('/tmp/arcp-x')]).toEqual([false, false]);
  });

  it('has no capabilities, no way to widen its walls, and nothing of ours open', async () => {
    const { out } = await sh(`
      grep -h '^CapEff\\|^CapBnd\\|^NoNewPrivs' /proc/self/status | tr -d '\\t'
      ls /proc/self/fd | tr '\\n' ' '
      mount -o remount,rw,bind /usr 2>/dev/null && echo remounted
      unshare -Umr mount -o remount,rw,bind /usr 2>/dev/null && echo nested
    `);
    const NONE = '0'.repeat(16);
    // What this process was started with open, every program that it starts has too.
    const inherited = execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).trim().split('\n');
    const [effective, bounding, privileges, open, ...more] = out.trim().split('\n');
    expect([effective, bounding, privileges]).toEqual([`CapEff:${NONE}`, `CapBnd:${NONE}`, 'NoNewPrivs:1']);
    expect(open?.trim().split(' ')).toEqual(inherited);
    expect(more).toEqual([]);
  });

  it('has nothing of our environment but the locale', async () => {
    process.env['ARCP_SECRET_OF_OURS'] = 'x';
    const { out } = await sh('env');
    delete process.env['ARCP_SECRET_OF_OURS'];
    const names = out
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0] ?? '');
    const known = [
      'HOME',
      'LANG',
      'LC_ALL',
      'LC_CTYPE',
      'OLDPWD',
      'PATH',
      'PWD',
      'SHLVL',
      'TMPDIR',
      'TZ',
      '_',
    ];
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('has no network, and no socket of another program', async () => {
    const { port } = (await listening({ port: 0, host: '127.0.0.1' })).address() as { port: number };
    const { out } = await run([process.execPath, '-e', CONNECT, String(port)]);
    expect(out.trim()).toBe('ECONNREFUSED');
  });

  it('can run the files that its command names, and cannot change them', async () => {
    const script = join(root, 'other', 'agent.sh');
    writeFileSync(script, 'cat "$0" | head -1; echo no >> "$0"; ls "$(dirname "$0")"\n');
    const { out } = await run(['sh', 'other/agent.sh']);
    expect(out).toBe(`cat "$0" | head -1; echo no >> "$0"; ls "$(dirname "$0")"\nagent.sh\n`);
    expect(readFileSync(script, 'utf8')).not.toContain('\nno');
    rmSync(script);
  });

  it('reads what the operator says beside', async () => {
    expect((await sh(`cat '${root}/other/a.txt'`, { reads: [join(root, 'other')] })).out).toBe('other\n');
  });
});

describe.skipIf(!HAS_WALLS)(`a process with a lease${NEEDS_WALLS}`, () => {
  it('reads and writes where the lease says, and only there (B1)', async () => {
    const script = `
      cd '${root}'
      cat data/a.txt other/a.txt link/a.txt 2>/dev/null
      echo more >> data/a.txt && echo wrote
      rm -f data/a.txt 2>/dev/null; ls
    `;
    const reads = await sh(script, { lease: { 'fs.read': [`${root}/data/**`] } });
    expect(reads.out).toBe('data\ndata\n');
    const file = await sh(script, {
      lease: { 'fs.read': [`${root}/data/a.txt`], 'fs.write': [`${root}/data/a.txt`] },
    });
    expect(file.out).toBe('data\nwrote\ndata\n');
    const writes = await sh(script, {
      lease: { 'fs.read': [`${root}/data/**`], 'fs.write': [`${root}/data/**`] },
    });
    expect(writes.out).toBe('data\nmore\nwrote\ndata\n');
    expect(existsSync(join(root, 'data/a.txt'))).toBe(false);
    writeFileSync(join(root, 'data/a.txt'), 'data\n');
  });

  it('is not led elsewhere by a link in the place of what was leased (D2)', async () => {
    const { out } = await sh(`cat '${root}/link/a.txt' '${root}/other/a.txt'`, {
      lease: { 'fs.read': [`${root}/link/**`, `${root}/link/a.txt`, `${root}/nothing/**`] },
    });
    expect(out).toBe('');
  });

  it('reads everywhere but not what the kernel shows of others, and not with our powers, under a lease for all', async () => {
    const { out } = await sh(
      `cat '${root}/other/a.txt'; echo no > '${root}/other/a.txt'; ls /proc/${process.pid}`,
      {
        lease: { 'fs.read': ['**'] },
      },
    );
    expect(out).toBe('other\n');
    expect(readFileSync(join(root, 'other/a.txt'), 'utf8')).toBe('other\n');
  });

  it('has the network where all of it is leased (B2), and still no socket of another program (F1)', async () => {
    const { port } = (await listening({ port: 0, host: '127.0.0.1' })).address() as { port: number };
    const socket = join(root, 'data', 'socket');
    await listening(socket);
    const how = {
      lease: { 'net.fetch': ['**'], 'fs.read': [`${root}/data/**`], 'fs.write': [`${root}/data/**`] },
    };
    expect((await run([process.execPath, '-e', CONNECT, String(port)], how)).out.trim()).toBe('hello');
    expect((await run([process.execPath, '-e', CONNECT, socket], how)).out.trim()).toBe('EACCES');
  });
});

describe.skipIf(!HAS_WALLS)(`a process under a profile${NEEDS_WALLS}`, () => {
  const script = 'type ls >/dev/null && echo ls; type rm >/dev/null && echo rm; echo done';

  it('finds the programs that its shell policy has (B3)', async () => {
    expect((await sh(script)).out).toBe('ls\nrm\ndone\n');
    expect((await sh(script, { profile: profileForRole('explore') })).out).toBe('ls\ndone\n');
    expect((await sh(script, { profile: profileForRole('plan') })).out).toBe('done\n');
    const everywhere = { profile: profileForRole('explore'), closed: false };
    expect((await sh(script, everywhere)).out).toBe('ls\ndone\n');
  });
});

describe.skipIf(!HAS_WALLS)(`the end of a process within walls${NEEDS_WALLS}`, () => {
  it('tells exit codes and signals, and what was printed', async () => {
    expect(await sh('echo why >&2; exit 3')).toMatchObject({
      end: { kind: 'exited', code: 3 },
      printed: ['why'],
    });
    expect((await sh('kill -9 $$')).end).toEqual({ kind: 'killed', signal: 'signal 9' });
  });

  it('is that of everything it started, whatever session that is in (K2)', async () => {
    const marker = `arcp-daemon-${process.pid}`;
    const { end } = await sh(`setsid sh -c 'exec sleep 1000 # ${marker}' & sleep 0.2; echo`, {});
    expect(end).toEqual({ kind: 'exited', code: 0 });
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(marker);
  });
});
