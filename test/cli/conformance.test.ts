/**
 * `arcp conformance` as other processes run it: what it prints and writes in each format, what it counts, and how it ends.
 * The runtime is ours behind a proxy that leaves a number out, so that there is something to report.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { playPlainly } from '../conformance/clients/plain-client.js';
import { MUTANTS } from '../conformance/mutants/mutants.js';
import { proxyFor, type Mutant, type Proxy } from '../conformance/mutants/proxy.js';
import { runtimeUnderTest, type UnderTest } from '../conformance/runtime-under-test.js';
import { Arcp, arcp, type Ended } from './arcp.js';

/** `job-story` fails, the other passes. */
const ONLY = ['--only', 'job-story', '--only', 'cancel-unknown'];
const CLIENT = fileURLToPath(new URL('../../examples/client-under-test.mjs', import.meta.url));

let folder: string;
let runtime: UnderTest;
let wrong: Proxy;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-conformance-test-'));
  runtime = await runtimeUnderTest();
  const mutant = MUTANTS.find(({ id }) => id === 'gap') as Mutant;
  wrong = await proxyFor(mutant, runtime.target.url);
}, 120_000);

afterAll(async () => {
  await wrong[Symbol.asyncDispose]();
  await runtime[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function play(url: string, ...args: string[]): Promise<Ended> {
  const { a = '', b = '' } = runtime.target.tokens;
  const words = ['conformance', url, '--dialect', 'classic', '--timeout', '10s', ...args];
  return arcp(words, { ARCP_TOKEN_A: a, ARCP_TOKEN_B: b });
}

function fileOf(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

interface Document {
  readonly passed: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly scenarios: readonly {
    readonly id: string;
    readonly verdict: string;
    readonly reason?: string;
    readonly broken?: readonly string[];
    readonly failure?: { readonly message: string; readonly transcript: readonly string[] };
  }[];
}

describe('arcp conformance URL', { timeout: 60_000 }, () => {
  it('ends with 0 when all that is required passes, and says so in figures', async () => {
    const { code, stdout } = await play(
      runtime.target.url,
      '--only',
      'cancel-unknown',
      '--only',
      'job-fails',
    );
    expect(stdout).toMatch(/^passed {2}2 passed {2}in [\d.]+ s {2}ws:\S+ {2}\(classic: arcp-runtime \S+\)$/m);
    expect(code).toBe(0);
  });

  it('ends with 1 when something fails, and shows the step, the requirement and the transcript without a token', async () => {
    const { code, stdout } = await play(wrong.url, ...ONLY);
    expect(stdout).toMatch(/^FAILED job-story: /m);
    expect(stdout).toMatch(/^ {2}at steps\[\d+\]: /m);
    expect(stdout).toMatch(/breaks S-seq-1 \(must, /);
    expect(stdout).toContain('client ← {"arcp":"1.1"');
    expect(stdout).not.toContain(runtime.target.tokens.a);
    expect(code).toBe(1);
  });

  it('writes JSON that says of each scenario what came of it', async () => {
    const out = join(folder, 'report.json');
    const { code, stdout } = await play(wrong.url, ...ONLY, '--report', 'json', '--out', out);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const { passed, counts, scenarios } = JSON.parse(readFileSync(out, 'utf8')) as Document;
    expect(passed).toBe(false);
    expect(scenarios.map(({ id, verdict }) => [id, verdict])).toContainEqual(['cancel-unknown', 'passed']);
    const story = scenarios.find(({ id }) => id === 'job-story');
    expect(story?.verdict).toBe('failed');
    expect(story?.broken).not.toEqual([]);
    expect(story?.failure?.transcript.length).toBeGreaterThan(3);
    const told = Object.entries(counts).map(([kind, count]) => [
      kind,
      count === scenarios.filter(({ verdict }) => verdict === kind).length,
    ]);
    expect(told.every(([, right]) => right)).toBe(true);
    expect(Object.keys(counts)).toEqual(['passed', 'failed', 'advised', 'known', 'unexpected', 'skipped']);
  });

  it('writes JUnit in which every element is closed and figures agree with the cases', async () => {
    const { stdout, code } = await play(wrong.url, ...ONLY, '--report', 'junit');
    expect(code).toBe(1);
    expect(openElements(stdout)).toEqual([]);
    const tests = [...stdout.matchAll(/<testsuite name="[^"]+" tests="(\d+)"/g)].map(([, n]) => Number(n));
    expect(stdout.match(/<testcase /g)).toHaveLength(tests.reduce((sum, n) => sum + n, 0));
    expect(stdout).toMatch(/<failure message="job-story">/);
    expect(stdout).toContain('failures="1"');
  });

  it('writes TAP whose plan is the number of its lines', async () => {
    const { stdout } = await play(wrong.url, ...ONLY, '--report', 'tap');
    const [version, plan, ...lines] = stdout.split('\n');
    expect(version).toBe('TAP version 14');
    const points = lines.filter((line) => /^(?:not )?ok \d+ - /.test(line));
    expect(plan).toBe(`1..${points.length}`);
    expect(points.filter((line) => line.startsWith('not ok'))).toEqual([
      expect.stringContaining('job-story: ') as string,
    ]);
    expect(lines.every((line) => line === '' || points.includes(line) || line.startsWith('  #'))).toBe(true);
  });

  it('writes Markdown with a row a topic, and the failure under its own heading', async () => {
    const { stdout } = await play(wrong.url, ...ONLY, '--report', 'md');
    expect(stdout).toMatch(/^# ARCP conformance: failed$/m);
    expect(stdout).toMatch(/^\| topic \| passed \| failed \|/m);
    expect(stdout).toMatch(/^\| classic\/jobs \| {2}\| 1 \|/m);
    expect(stdout).toMatch(/^### job-story: /m);
  });

  it('takes a known failure for what it is, and for a failure once it passes', async () => {
    const known = fileOf(
      'known.json',
      JSON.stringify({ 'job-story': 'the # proxy', 'cancel-unknown': 'gone' }),
    );
    const excused = await play(wrong.url, '--only', 'job-story', '--known', known, '--report', 'tap');
    expect(excused.stdout).toMatch(/^not ok 1 - job-story: .* # TODO the # proxy$/m);
    expect(excused.code).toBe(0);
    const mended = await play(wrong.url, '--only', 'cancel-unknown', '--known', known);
    expect(mended.stdout).toMatch(/^FAILED cancel-unknown: passes, and is listed as a known failure: gone$/m);
    expect(mended.code).toBe(1);
  });

  it('picks by id, topic and requirement, and lists what it would play', async () => {
    const listed = await play(wrong.url, '--list', '--only', 'classic/cancel', '--only', 'S-chunks-3');
    const topics = new Set(
      listed.stdout
        .trim()
        .split('\n')
        .map((line) => line.split('  ')[0]),
    );
    expect(topics).toContain('classic/cancel');
    expect(topics).toContain('classic/chunks');
    expect(listed.code).toBe(0);
  });

  it.each([
    ['a scenario that is not there', ['--only', 'no-such-thing'], 'no scenario is of that name'],
    ['a known failure that is not there', ['--known', 'KNOWN'], 'there is no scenario no-such-thing'],
    ['a format that is not there', ['--report', 'pdf'], 'pdf'],
    ['--run without --client', ['--run', 'true'], '--run is for clients'],
  ])('ends with 2 for %s', async (_what, args, message) => {
    const known = fileOf('none.json', '{"no-such-thing":"?"}');
    const { code, stderr } = await play(wrong.url, ...args.map((arg) => (arg === 'KNOWN' ? known : arg)));
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('ends with 3 when nobody answers, or nobody is let in', async () => {
    const nobody = await play('ws://127.0.0.1:9', '--only', 'job-fails');
    expect(nobody.code).toBe(3);
    const stranger = await arcp(['conformance', runtime.target.url, '--only', 'job-fails'], {
      ARCP_TOKEN_A: 'not-a-token-that-counts',
    });
    expect(stranger.code).toBe(3);
    expect(stranger.stderr).not.toContain('not-a-token-that-counts');
  });
});

describe('arcp conformance --client', { timeout: 60_000 }, () => {
  const CASES = ['--only', 'client-drop', '--only', 'client-gap', '--only', 'client-chunks-order'];

  it('starts the client for each case and lets one pass that is right', async () => {
    const run = ['--run', `'${process.execPath}' '${CLIENT}' {url}`];
    const { code, stdout } = await arcp(['conformance', '--client', ...CASES, ...run, '--report', 'json']);
    const { scenarios } = JSON.parse(stdout) as Document;
    expect(scenarios.map(({ id, verdict }) => [id, verdict])).toEqual([
      ['client-chunks-order', 'passed'],
      ['client-gap', 'passed'],
      ['client-drop', 'passed'],
    ]);
    expect(code).toBe(0);
  });

  it.each([
    ['does nothing', 'process.exit(0)', 'it does not invoke the agent play'],
    ['cannot be started', undefined, 'it does not invoke the agent play'],
  ])('ends with 1 for a client that %s', async (_what, script, message) => {
    const program = script === undefined ? '/no/such/program {url}' : `'${process.execPath}' -e '${script}'`;
    const words = ['--only', 'client-plain', '--run', program, '--timeout', '300ms'];
    const { code, stdout } = await arcp(['conformance', '--client', ...words]);
    expect(stdout).toContain(message);
    expect(code).toBe(1);
  });

  it('lists its cases, and takes no URL', async () => {
    const listed = await arcp(['conformance', '--client', '--list']);
    expect(listed.stdout).toMatch(/^client\/resumes {2}client-resume-refused {2}/m);
    const both = await arcp(['conformance', '--client', runtime.target.url]);
    expect(both.code).toBe(2);
  });

  it('says which case a client has played that comes by itself', async () => {
    const waiting = new Arcp(['conformance', '--client', '--only', 'client-plain', '--report', 'tap']);
    const [, url = ''] = await waiting.until('stderr', /listening on (ws:\S+)\/CASE for 1 cases/);
    await playPlainly(`${url}/client-plain`, 'draft');
    const { code, stdout } = await waiting.ended();
    expect(stdout).toMatch(/^ok 1 - client-plain: /m);
    expect(code).toBe(0);
  });
});

/** Elements that are never closed, and closing tags of others. */
function openElements(xml: string): string[] {
  const open: string[] = [];
  const wrongly: string[] = [];
  for (const [, closing, name = '', self] of xml.matchAll(
    /<(\/)?([a-z-]+)(?:\s+[a-z]+="[^"<]*")*\s*(\/)?>/g,
  )) {
    if (closing !== undefined) {
      if (open.pop() !== name) wrongly.push(name);
    } else if (self === undefined) open.push(name);
  }
  return [...open, ...wrongly];
}
