/** `arcp token`, and a runtime that follows its token file: real processes, real files. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TokenFiles } from '../../src/cli/token-files.js';
import { readTokens } from '../../src/cli/tokens.js';
import { connect } from '../../src/client/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { arcp, jsonLines, serve } from './arcp.js';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-token-'));
  file = join(folder, 'tokens');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function token(...args: string[]) {
  return arcp(['token', ...args, '--token-file', file]);
}

describe('arcp token', () => {
  it('makes a private file, shows a secret once, and takes tokens back; other lines stay (T1, T3)', async () => {
    const made = await token('add', 'ada');
    expect(made.code).toBe(0);
    const secret = made.stdout.trim();
    expect(made.stderr).not.toContain(secret);
    expect(readTokens(file)).toEqual([{ secret, principal: 'ada' }]);
    expect(statSync(file).mode & 0o777).toBe(0o600);

    writeFileSync(file, `# staff\n${secret}=ada\nhunter2=bob\n`);
    const listed = await token('list', '--json');
    expect(jsonLines(listed.stdout).map(({ principal }) => principal)).toEqual(['ada', 'bob']);
    expect(listed.stdout).not.toContain(secret);
    expect(listed.stdout).not.toContain('hunter2');

    const second = jsonLines((await token('add', 'ada', '--json')).stdout)[0];
    const revoked = await token('revoke', 'ada', '--id', String(jsonLines(listed.stdout)[0]?.['id']));
    expect(revoked.code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(`# staff\nhunter2=bob\n${String(second?.['secret'])}=ada\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('refuses what it cannot do, and leaves the file as it is', async () => {
    writeFileSync(file, 'hunter2=bob\n', { mode: 0o600 });
    const [nobody, wrongName] = await Promise.all([token('revoke', 'ada'), token('add', 'a=b')]);
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('no such token of ada');
    expect(wrongName.code).toBe(2);
    writeFileSync(`${file}.new`, '');
    expect((await token('add', 'ada')).stderr).toContain('being changed by another command');
    rmSync(`${file}.new`);
    chmodSync(file, 0o644);
    expect((await token('add', 'ada')).stderr).toContain('can be read by others');
    expect(readFileSync(file, 'utf8')).toBe('hunter2=bob\n');
  });
});

describe('a runtime that serves', () => {
  it('follows its token file: replaced tokens are asked for, revoked ones end their sessions', async () => {
    const first = (await token('add', 'ada')).stdout.trim();
    const bob = (await token('add', 'bob')).stdout.trim();
    const serving = await serve(['--conformance', '--token-file', file, '--store', 'memory']);
    try {
      let asked = 0;
      let wasAsked = (): void => undefined;
      const again = new Promise<void>((resolve) => (wasAsked = resolve));
      const ada = await connect(serving.url, {
        token: () => {
          asked += 1;
          if (asked === 2) wasAsked();
          return readTokens(file).find(({ principal }) => principal === 'ada')?.secret ?? '';
        },
      });
      const other = await connect(serving.url, { token: bob });
      await token('add', 'ada');
      const [old] = jsonLines((await token('list', '--json')).stdout);
      await token('revoke', 'ada', '--id', String(old?.['id']));
      await again;
      expect((await (await ada.invoke('echo', { still: 'here' })).result()).value).toBeDefined();

      await token('revoke', 'ada');
      expect(await ada.closed).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect((await (await other.invoke('echo', {})).result()).value).toBeDefined();
      await other.close();
      expect(serving.arcp.stdout + serving.arcp.stderr).not.toContain(first);
    } finally {
      serving.arcp.signal('SIGKILL');
      await serving.arcp.ended();
    }
  });
});

describe('token files', () => {
  it('are looked at every few seconds, whatever the system tells of them', async () => {
    writeFileSync(file, 'a=ada\n', { mode: 0o600 });
    const clock = new FakeClock();
    const files = new TokenFiles([file], clock);
    let changes = 0;
    files.follow(() => (changes += 1));
    await clock.advance(5_000);
    expect(changes).toBe(0);
    writeFileSync(file, 'a=ada\nb=bob\n');
    await clock.advance(5_000);
    expect(changes).toBe(1);
    files.stop();
    expect(clock.pending).toBe(0);
  });

  it('that changed before they are followed are told at once', () => {
    const files = new TokenFiles([file], new FakeClock());
    writeFileSync(file, 'a=ada\n', { mode: 0o600 });
    let changes = 0;
    files.follow(() => (changes += 1));
    expect(changes).toBe(1);
    files.stop();
  });
});
