/** `arcp invoke --input` and `--verbose` as real processes, against a real `arcp serve`. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Arcp, arcp, jsonLines, serve, type Serving } from './arcp.js';

const TOKEN = 'a-token-for-this-test';

let folder: string;
let server: Serving;
let env: NodeJS.ProcessEnv;

/** Reads one piece of what it is given, and is content with it. */
const TASTER = `export default {
  name: 'taster', version: '1.0.0', heartbeat: 'auto', takesInput: true,
  async run(_input, ctx) {
    for await (const stream of ctx.input) for await (const piece of stream) return piece.length;
  },
};`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-input-'));
  const taster = join(folder, 'taster.mjs');
  writeFileSync(taster, TASTER);
  server = await serve(['--conformance', '--agents', taster, '--drain', '0'], { ARCP_TOKEN: TOKEN });
  env = { ARCP_TOKEN: TOKEN, ARCP_URL: server.url };
}, 60_000);

afterAll(async () => {
  server.arcp.signal('SIGTERM');
  await server.arcp.ended();
  rmSync(folder, { recursive: true });
});

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('arcp invoke --input', () => {
  it('streams a file of three million bytes into the job, each byte once', async () => {
    const bytes = Buffer.alloc(3_000_000, Buffer.from(Array.from({ length: 251 }, (_, at) => at)));
    const file = join(folder, 'bytes');
    writeFileSync(file, bytes);
    const args = ['invoke', 'collector', '--input', file, '--input-kind', 'binary'];
    const { code, stdout, stderr } = await arcp(args, env);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'binary', bytes: bytes.length, sha256: sha256(bytes) });
    expect(stderr).toMatch(/ completed after/);
    expect(code).toBe(0);
  });

  it('streams stdin as text, wherever a character is cut', async () => {
    const running = new Arcp(['invoke', 'collector', '--input', '-', '--json'], env);
    await running.until('stdout', /"job.started"/);
    const text = Buffer.from('erste Zeile: grüße\n');
    const within = text.indexOf('ü') + 1;
    running.process.stdin?.write(text.subarray(0, within));
    running.process.stdin?.end(text.subarray(within));
    const { code, stdout } = await running.ended();
    const value = { kind: 'text', bytes: text.length, sha256: sha256(text) };
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'job.completed', payload: { value } });
    expect(code).toBe(0);
  });

  it('streams an empty file as a stream of nothing', async () => {
    const { code, stdout } = await arcp(['invoke', 'collector', '--input', '/dev/null'], env);
    expect(JSON.parse(stdout)).toEqual({ kind: 'text', chunks: 0, bytes: 0, sha256: sha256('') });
    expect(code).toBe(0);
  });

  it('is content with a job that reads no further, though stdin stays open (F2)', async () => {
    const running = new Arcp(['invoke', 'taster', '--input', '-'], env);
    running.process.stdin?.write('twelve bytes');
    const { code, stdout } = await running.ended();
    expect([code, stdout]).toEqual([0, '12\n']);
  });

  it('stops a job that takes no input, and says so (F3)', async () => {
    const file = join(folder, 'text');
    writeFileSync(file, 'some text');
    const { code, stdout, stderr } = await arcp(
      ['invoke', 'slow', '--arg', 'ms=60000', '--input', file],
      env,
    );
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/ cancelled after .*its input failed$/m);
    expect(stderr).toMatch(/^arcp: job_\S+ did not take its input: FAILED_PRECONDITION: .*takes no input$/m);
    expect(stderr).toMatch(/^ {2}next: leave --input out/m);
  });

  it('stops the job where text is not text, and says how to stream bytes (F3)', async () => {
    const file = join(folder, 'latin1');
    writeFileSync(file, Buffer.from([0x67, 0x72, 0xfc, 0xdf, 0x65]));
    const { code, stderr } = await arcp(['invoke', 'collector', '--input', file], env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^arcp: \S+latin1 cannot be streamed: INVALID_ARGUMENT: .*UTF-8$/m);
    expect(stderr).toMatch(/^ {2}next: stream bytes with --input-kind binary$/m);
  });

  it.each([
    [['--input', '/nowhere/at/all'], /\/nowhere\/at\/all cannot be read: ENOENT/],
    [['--input', '/'], /\/ cannot be read: it is a folder/],
    [['--input', '-', '--detach'], /--detach leaves the job to itself/],
    [['--input', '-', '--idempotency-key', 'k'], /cannot go with --input/],
    [['--input-kind', 'text'], /it cannot go without/],
    [['--input', '-', '--input-kind', 'log'], /Allowed choices are text, binary/],
  ])('refuses %j before it starts anything, with status 2 (F1)', async (args, why) => {
    const { code, stdout, stderr } = await arcp(['invoke', 'collector', ...args], env);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(why);
    expect(stderr).not.toContain('accepted');
  });
});

describe('arcp invoke --verbose', () => {
  it('shows what streams of text and thoughts say, line by line, beside what it shows without', async () => {
    const { code, stdout, stderr } = await arcp(['invoke', 'streamer', '--arg', 'count=2', '--verbose'], env);
    expect(stderr.replaceAll(/^job_\S+ /gm, '').replaceAll(/after .*/g, 'after')).toBe(
      [
        'streamer@1.0.0  accepted',
        'streamer@1.0.0  thought (assistant): thought 1',
        'streamer@1.0.0  thought (assistant): thought 2',
        'streamer@1.0.0  stream thought  2 chunks',
        'streamer@1.0.0  text: line 1',
        'streamer@1.0.0  text: line 2',
        'streamer@1.0.0  stream text  2 chunks, 14 bytes',
        'streamer@1.0.0  completed after',
        '',
      ].join('\n'),
    );
    expect(JSON.parse(stdout)).toEqual({ thoughts: 2, bytes: 14 });
    expect(code).toBe(0);
    const quiet = await arcp(['invoke', 'streamer', '--arg', 'count=2'], env);
    expect(quiet.stderr).not.toContain('thought 1');
  });
});
