/** Workers by `ssh`: against a real `sshd` on this machine, and the words that `ssh` is given. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { shellWord, sshTarget, sshWords } from '../../../src/fleet/hosts/ssh.js';
import type { FleetHostSpec, FleetWorkerSpec } from '../../../src/protocol/fleet/index.js';
import { localWorker, scene, trusting, type Scene } from './scene.js';
import { HAS_SSHD, NEEDS_SSHD, startSshd, type Sshd } from './sshd.js';

type Ssh = Extract<FleetHostSpec, { kind: 'ssh' }>;

describe('the words of ssh', () => {
  const words = (
    host: Partial<Ssh>,
    more: Partial<FleetWorkerSpec> = {},
    pinned?: string,
  ): readonly string[] => {
    const spec: Ssh = { kind: 'ssh', host: 'build-1', ...host };
    return sshWords(sshTarget(spec, localWorker({ host: spec, ...more }), '/base'), ['--stdio'], pinned);
  };

  it('ask nobody, take no strange key, and open nothing of ours', () => {
    const all = words({}).join(' ');
    for (const option of [
      'BatchMode=yes',
      'ConnectTimeout=10',
      'StrictHostKeyChecking=yes',
      'ForwardAgent=no',
    ])
      expect(all).toContain(`-o ${option}`);
    expect(all).toContain('-p 22 build-1 exec arcp worker --commands ');
  });

  it('name the port, the identity and no other, the user, and the known hosts', () => {
    const all = words({ port: 2222, user: 'ci', identity: 'keys/id', known_hosts: 'hosts' });
    expect(all.join(' ')).toContain('-p 2222 -i /base/keys/id -l ci build-1');
    expect(all).toContain('IdentitiesOnly=yes');
    expect(all).toContain('UserKnownHostsFile="/base/hosts"');
    expect(all).toContain('GlobalKnownHostsFile=/dev/null');
  });

  it('say the pinned key alone where one is pinned, whatever else is known', () => {
    const all = words({ known_hosts: 'hosts' }, {}, '/run/pinned');
    expect(all).toContain('UserKnownHostsFile="/run/pinned"');
    expect(all.join(' ')).not.toContain('/base/hosts');
  });

  it('go by the key of the worker before that of the host', () => {
    const auth = { method: 'ssh_key', identity: 'mine', user: 'me' } as const;
    expect(words({ identity: 'theirs', user: 'them' }, { auth }).join(' ')).toContain('-i /base/mine -l me');
  });

  it('are words to the remote shell, whatever is in them', () => {
    const folder = "/srv/it's $HOME; rm -rf *";
    const last = words({ working_directory: folder, codewhale_binary: '/opt/my arcp' }).at(-1) ?? '';
    expect(last).toMatch(/^cd '.*' && exec '\/opt\/my arcp' worker --commands --stdio$/);
    for (const word of [folder, '$(id)', '`id`', "a'b", '', '-x', 'a\nb', '\\', '!!', '~'])
      expect(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word);
  });
});

describe.skipIf(!HAS_SSHD)(`a worker by ssh${NEEDS_SSHD}`, () => {
  let folder: string;
  let sshd: Sshd;
  let at: Scene;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'arcp-sshd-'));
    sshd = await startSshd(folder);
  });
  afterAll(async () => {
    await sshd.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    at = await scene({ LANG_OF_TASKS: 'en', OTHER: 'stays here', HOME: folder });
    mkdirSync(join(at.root, 'there'));
  });
  afterEach(async () => {
    await at.close();
  });

  const remote = (host: Partial<Ssh> = {}): FleetWorkerSpec =>
    localWorker({
      id: 'remote',
      host: {
        kind: 'ssh',
        host: '127.0.0.1',
        port: sshd.port,
        user: sshd.user,
        identity: sshd.identity,
        host_key_fingerprint: sshd.fingerprint,
        working_directory: join(at.root, 'there'),
        codewhale_binary: join(at.root, 'arcp'),
        env_allowlist: ['LANG_OF_TASKS'],
        ...host,
      },
    });

  it('does the work there, with the variables that may travel; what its commands write comes back as artifacts', async () => {
    writeFileSync(join(at.root, 'secrets/DEPLOY_KEY'), 'of-the-deployment', { mode: 0o600 });
    const worker = remote();
    const run = await at.run({ workers: [worker], policy: trusting('DEPLOY_KEY') });
    const script =
      'echo lang=$LANG_OF_TASKS other=$OTHER key=$DEPLOY_KEY; echo "$SSH_CONNECTION" > ../there/from';
    const outcome = await run.work({
      worker,
      command: ['sh', '-c', script],
      allowlist: ['LANG_OF_TASKS', 'OTHER'],
    });
    expect(outcome).toMatchObject({ status: 'completed', value: { exit_code: 0 } });
    const artifacts: string[] = [];
    for (const { payload } of at.told) {
      const { name, data } = payload as { name?: string; data?: { path: string } };
      if (name !== 'artifact_ref' || data === undefined) continue;
      artifacts.push(await (await at.client.artifacts.fetch(data.path.split('/').at(-1) ?? '')).text());
    }
    expect(artifacts).toEqual(['lang=en other= key=<secret:DEPLOY_KEY>\n']);
    await run.end();
    expect(sshd.log()).toContain(`Accepted publickey for ${sshd.user}`);
    expect(sshd.log() + at.logged()).not.toContain('of-the-deployment');
  });

  it.each([
    [
      'no key that it shows',
      () => ({ host_key_fingerprint: `SHA256:${'A'.repeat(43)}` }),
      /does not prove who it is/,
    ],
    [
      'its key, but known hosts say another',
      () => {
        writeFileSync(join(folder, 'other_hosts'), '');
        return { known_hosts: join(folder, 'other_hosts') };
      },
      /is not that of the host in known_hosts/,
    ],
  ])('that has %s is refused before anything is sent', async (_what, more, message) => {
    const before = sshd.log().match(/Connection from|userauth|Accepted/g)?.length ?? 0;
    const worker = remote(more());
    const run = await at.run({ workers: [worker], policy: undefined });
    await expect(run.workers.agentOn(worker, 'command')).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringMatching(message) as string,
    });
    await run.end();
    expect(sshd.log().match(/Accepted/g)?.length ?? 0).toBeLessThanOrEqual(before);
  });

  it('is connected to by known hosts alone, and not where they do not know it', async () => {
    const { host_key_fingerprint: _pinned, ...unpinned } = remote().host as Ssh;
    const known = { ...remote(), host: { ...unpinned, known_hosts: sshd.knownHosts } };
    const run = await at.run({ workers: [known], policy: undefined });
    expect(await run.workers.agentOn(known, 'command')).toMatch(/^fleet-[0-9a-f]{16}\.command$/);
    await run.end();
    writeFileSync(join(folder, 'empty_hosts'), '');
    const unknown = { ...remote(), host: { ...unpinned, known_hosts: join(folder, 'empty_hosts') } };
    const second = await at.run({ workers: [unknown], policy: undefined });
    await expect(second.workers.agentOn(unknown, 'command')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/Host key verification failed/) as string,
    });
    await second.end();
  });

  it('is gone when its run ends, with what it had started', async () => {
    const worker = remote();
    const run = await at.run({ workers: [worker], policy: undefined });
    await run.work({ worker, command: ['sh', '-c', 'echo $PPID > pid'] });
    const pid = Number(readFileSync(join(at.root, 'work/pid'), 'utf8'));
    await run.end();
    for (let turn = 0; turn < 500 && processIsThere(pid); turn += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(processIsThere(pid)).toBe(false);
  });

  it('has nothing of ours that its tasks did not name: no agent that is here', async () => {
    const worker = remote();
    const run = await at.run({ workers: [worker], policy: undefined });
    await expect(run.workers.agentOn(worker, 'run')).rejects.toMatchObject({ code: 'AGENT_NOT_AVAILABLE' });
    await run.end();
  });
});

function processIsThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
