/** Workers in containers: the argv that an engine is given, everywhere; a real container where there is an engine. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dockerLaunch, findEngine } from '../../../src/fleet/hosts/docker.js';
import { localWorker, scene, trusting, type Scene } from './scene.js';

const ENGINE = ['docker', 'podman'].find(
  (name) => spawnSync(name, ['info'], { stdio: 'ignore' }).status === 0,
);
const IMAGE = process.env['ARCP_TEST_IMAGE'] ?? '';
const HAS_CONTAINERS = ENGINE !== undefined && IMAGE !== '';
const WHY = HAS_CONTAINERS
  ? ''
  : ' (skipped: no engine runs here, or ARCP_TEST_IMAGE names no image that has arcp)';

describe('the argv of a container', () => {
  const container = { engine: '/usr/bin/docker', name: 'arcp-w1', network: false };
  const image = { kind: 'docker', image: 'ghcr.io/me/worker:1', args: [] as string[] } as const;

  it('gives it a name, no capabilities, and no network where its trust has none', () => {
    const { program, words, remove } = dockerLaunch(image, container, ['--stdio']);
    expect([program, ...words]).toEqual([
      '/usr/bin/docker',
      'run',
      '--rm',
      '--interactive',
      '--init',
      '--name',
      'arcp-w1',
      '--label',
      'arcp.fleet=worker',
      '--cap-drop',
      'ALL',
      '--security-opt',
      'no-new-privileges',
      '--pids-limit',
      '1024',
      '--network',
      'none',
      'ghcr.io/me/worker:1',
      'arcp',
      'worker',
      '--commands',
      '--stdio',
    ]);
    expect(remove).toEqual({ program: '/usr/bin/docker', words: ['rm', '--force', 'arcp-w1'] });
  });

  it('leaves it the network where its trust has it, and runs the command that is given', () => {
    const { words } = dockerLaunch(
      { ...image, args: ['node', 'worker.js'] },
      { ...container, network: true },
      ['--stdio'],
    );
    expect(words).not.toContain('--network');
    expect(words.slice(-4)).toEqual(['ghcr.io/me/worker:1', 'node', 'worker.js', '--stdio']);
  });

  it('is of docker, or of podman where there is no docker; without either it is refused', async () => {
    await expect(findEngine('')).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});

describe('a worker in a container', () => {
  let at: Scene;
  let bin: string;

  /** A client of an engine that runs the container's command here: what an engine does is not what is tested. */
  beforeEach(async () => {
    bin = mkdtempSync(join(tmpdir(), 'arcp-engine-'));
    const client = [
      '#!/bin/sh',
      `echo "$@" >> '${bin}/calls'`,
      '[ "$1" = run ] || exit 0',
      'while [ "$1" != the-image ]; do shift; done; shift',
      'exec "$@"',
      '',
    ].join('\n');
    writeFileSync(join(bin, 'docker'), client);
    chmodSync(join(bin, 'docker'), 0o755);
    at = await scene({ PATH: `${bin}:${process.env['PATH'] ?? ''}` });
  });
  afterEach(async () => {
    await at.close();
    rmSync(bin, { recursive: true, force: true });
  });

  it('speaks over the pipes of its client, has its secrets by them, and is removed by its name', async () => {
    const args = [join(at.root, 'arcp'), 'worker', '--commands'];
    const worker = localWorker({ id: 'boxed', host: { kind: 'docker', image: 'the-image', args } });
    writeFileSync(join(at.root, 'secrets/KEY'), 'a-planted-secret', { mode: 0o600 });
    const run = await at.run({ workers: [worker], policy: trusting('KEY') });
    const outcome = await run.work({ worker, command: ['sh', '-c', 'test "$KEY" = a-planted-secret'] });
    expect(outcome).toMatchObject({ status: 'completed', value: { exit_code: 0 } });
    await run.end();
    const calls = readFileSync(join(bin, 'calls'), 'utf8');
    const [, name = ''] = /--name (\S+)/.exec(calls) ?? [];
    expect(calls).toContain(`rm --force ${name}`);
    expect(calls).not.toContain('a-planted-secret');
  });
});

describe.skipIf(!HAS_CONTAINERS)(`a real container${WHY}`, () => {
  it('does the work', async () => {
    const { PATH = '', HOME = '' } = process.env;
    const at = await scene({ PATH, HOME });
    const worker = localWorker({ id: 'boxed', host: { kind: 'docker', image: IMAGE, args: [] } });
    const run = await at.run({ workers: [worker], policy: undefined });
    expect(await run.work({ worker, command: ['true'] })).toMatchObject({ status: 'completed' });
    await run.end();
    await at.close();
  });
});
