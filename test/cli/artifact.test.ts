/** `arcp artifact`: files in, files out, and what is said when that cannot be. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arcp, Arcp, serve, type Serving } from './arcp.js';

let folder: string;
let server: Serving;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-cli-artifact-'));
  server = await serve(['--conformance', '--data', join(folder, 'data'), '--store', 'sqlite'], {
    ARCP_TOKEN: 'secret',
  });
  env = { ARCP_URL: server.url, ARCP_TOKEN: 'secret' };
}, 30_000);

afterAll(async () => {
  server.arcp.signal('SIGTERM');
  await server.arcp.ended();
  rmSync(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function sizesIn(path: string): number[] {
  return existsSync(path) ? readdirSync(path).map((name) => statSync(join(path, name)).size) : [];
}

describe('arcp artifact', () => {
  it('puts a file of several parts, gets it back as it was, and has it forgotten', async () => {
    const content = randomBytes(2_500_000);
    const [source, target] = [join(folder, 'source'), join(folder, 'target')];
    writeFileSync(source, content);
    const put = await arcp(
      ['artifact', 'put', source, '--media-type', 'image/png', '--retain', '1h', '--json'],
      env,
    );
    expect(put).toMatchObject({ code: 0, stderr: '' });
    const ref = JSON.parse(put.stdout) as Record<string, unknown>;
    expect(ref).toMatchObject({ media_type: 'image/png', size: 2_500_000, sha256: sha256(content) });
    const id = String(ref['artifact_id']);
    expect(readdirSync(join(folder, 'data', 'artifacts'))).toContain(id);
    const get = await arcp(['artifact', 'get', id, '--out', target], env);
    expect(get).toMatchObject({ code: 0, stdout: '', stderr: `wrote 2500000 bytes to ${target}\n` });
    expect(sha256(readFileSync(target))).toBe(sha256(content));
    expect(await arcp(['artifact', 'release', id], env)).toMatchObject({
      code: 0,
      stderr: `${id} is released\n`,
    });
    const again = await arcp(['artifact', 'get', id, '--out', target], env);
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toContain('NOT_FOUND');
    expect(sha256(readFileSync(target)), 'what was there stays').toBe(sha256(content));
  }, 30_000);

  it('puts stdin, prints the id alone, and gets to stdout', async () => {
    const put = new Arcp(['artifact', 'put', '-'], env);
    put.process.stdin?.end('from stdin');
    const { stdout } = await put.ended();
    expect(stdout).toMatch(/^art_\S+\n$/);
    expect(await arcp(['artifact', 'get', stdout.trim()], env)).toMatchObject({
      code: 0,
      stdout: 'from stdin',
    });
  }, 30_000);

  it.each<[string, string[], number, RegExp]>([
    ['a file that is not there', ['put', '/nowhere/at/all'], 2, /cannot be read/],
    ['a folder', ['put', '/'], 2, /not a file/],
    ['what is no id', ['get', 'job_1'], 2, /art_/],
    ['no time at all', ['put', '-', '--retain', '10ms'], 2, /second/],
    ['an artifact that never was', ['release', 'art_none'], 1, /NOT_FOUND/],
  ])('says what is wrong with %s', async (_what, args, code, message) => {
    const ended = await arcp(['artifact', ...args], env);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(message);
  });
});

describe('arcp artifact put', () => {
  it('goes on when the runtime is killed in the middle and started again on its data', async () => {
    const data = ['--store', 'sqlite', '--data', join(folder, 'killed')];
    const first = await serve(data, { ARCP_TOKEN: 'secret' });
    const { port } = new URL(first.url);
    const put = new Arcp(['artifact', 'put', '-', '--json'], { ARCP_URL: first.url, ARCP_TOKEN: 'secret' });
    const content = randomBytes(3_000_000);
    put.process.stdin?.write(content.subarray(0, 2_500_000));
    const parts = join(folder, 'killed', 'artifacts');
    await expect.poll(() => sizesIn(parts), { timeout: 20_000 }).toContain(2_097_152);
    first.arcp.signal('SIGKILL');
    await first.arcp.ended();
    const second = new Arcp(['serve', '--port', port, '--json', ...data], { ARCP_TOKEN: 'secret' });
    await second.until('stdout', /listening/);
    put.process.stdin?.end(content.subarray(2_500_000));
    const { code, stdout } = await put.ended();
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ size: 3_000_000, sha256: sha256(content) });
    expect(sizesIn(parts)).toEqual([3_000_000]);
    second.signal('SIGTERM');
    await second.ended();
  }, 60_000);

  it('ends at once on Ctrl-C, though its source gives nothing', async () => {
    const put = new Arcp(['artifact', 'put', '-'], env);
    put.process.stdin?.write(randomBytes(2_500_000));
    await expect
      .poll(() => sizesIn(join(folder, 'data', 'artifacts')), { timeout: 20_000 })
      .toContain(2_097_152);
    put.signal('SIGINT');
    expect((await put.ended()).code).toBe(130);
  }, 30_000);
});

describe('arcp invoke', () => {
  it('takes a result that is an artifact to where results go', async () => {
    const out = join(folder, 'report');
    const ended = await arcp(['invoke', 'artifact-report', '--arg', 'bytes=1000000', '--out', out], env);
    expect(ended.code).toBe(0);
    expect(sha256(readFileSync(out))).toBe(
      '7296790dc00d11ffe5fe55cc863669025a1f5d3b45b0757bef35522d1a1ccf3f',
    );
  }, 30_000);
});
