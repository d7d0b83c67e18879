import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { evaluateHere, type Evaluate } from '../../../src/fleet/scoring/evaluate.js';
import { evidenceFolder } from '../../../src/fleet/scoring/evidence.js';
import type { CommandRunner, ScoringPorts, VerifierAnswer } from '../../../src/fleet/scoring/ports.js';
import { lastEventOf, receiptOf, type WorkOutcome } from '../../../src/fleet/scoring/receipt.js';
import { scoreWork } from '../../../src/fleet/scoring/score.js';
import { fail, pass, undecided, type Verdict } from '../../../src/fleet/scoring/verdict.js';
import { openInWorkspace } from '../../../src/fleet/workspace/workspace-file.js';
import { readFleet } from '../../../src/protocol/fleet/index.js';

let folder: string;
let workspace: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-score-'));
  workspace = join(folder, 'work');
  mkdirSync(workspace);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(path: string, content: string | Buffer): void {
  mkdirSync(join(workspace, path, '..'), { recursive: true });
  writeFileSync(join(workspace, path), content);
}

/** Starts a real process; what bounds it beside the time is not a scorer's affair. */
const realRunner: CommandRunner = ({ argv: [command, ...args], workspace: cwd, timeoutMs, signal }) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd, signal, timeout: timeoutMs });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
    child.on('error', (error) => resolve({ kind: 'cannot_start', reason: error.message }));
    child.on('close', (code, by) => {
      const [stdout, stderr] = [Buffer.concat(out), Buffer.concat(err)];
      resolve(
        code === null
          ? { kind: 'killed', signal: by ?? '', stdout, stderr }
          : { kind: 'exited', code, stdout, stderr },
      );
    });
  });

function ports(parts: Partial<ScoringPorts> = {}): ScoringPorts {
  return {
    evaluate: (question) => Promise.resolve(evaluateHere(question)),
    evidence: evidenceFolder(join(folder, 'evidence')),
    run: realRunner,
    ...parts,
  };
}

function score(
  scorer: object | undefined,
  exitCode?: number,
  parts?: Partial<ScoringPorts>,
): Promise<Verdict> {
  const work = { workspace, exitCode, signal: new AbortController().signal };
  return scoreWork(scorer === undefined ? undefined : readFleet('scorer_spec', scorer), work, ports(parts));
}

/** `result/kind: notes` */
async function told(verdict: Promise<Verdict>): Promise<string> {
  const { result, failureKind, score: given } = await verdict;
  expect(given).toMatchObject({ value: { pass: 1, partial: 0.5, fail: 0 }[result], max: 1 });
  return `${result}/${failureKind ?? ''}: ${given.notes ?? ''}`;
}

describe('the scorer exit_code', () => {
  it.each([
    [0, 'pass/: '],
    [1, 'fail/task: exit code 1'],
    [undefined, 'fail/transport: there is no exit code'],
  ])('of %s', async (code, expected) => {
    expect(await told(score({ kind: 'exit_code' }, code))).toBe(expected);
  });
});

describe('the scorer file_exists', () => {
  const exists = (path: string): Promise<string> => told(score({ kind: 'file_exists', path }));

  it('passes for a regular file, also through a link that stays inside, and names it by its digest', async () => {
    put('out/a.txt', 'abc');
    symlinkSync('out', join(workspace, 'link'));
    const { evidence } = await score({ kind: 'file_exists', path: 'link/a.txt' });
    expect(evidence).toEqual([
      {
        kind: 'report',
        path: 'link/a.txt',
        checksum: `sha256:${createHash('sha256').update('abc').digest('hex')}`,
        size_bytes: 3,
      },
    ]);
    expect(await exists('out/a.txt')).toBe('pass/: ');
  });

  it('fails where there is none, or something else, or a way out', async () => {
    put('secret/x', '');
    writeFileSync(join(folder, 'outside'), 'x');
    symlinkSync(join(folder, 'outside'), join(workspace, 'out-link'));
    symlinkSync(folder, join(workspace, 'up'));
    symlinkSync('loop', join(workspace, 'loop'));
    if (process.platform !== 'win32') execFileSync('mkfifo', [join(workspace, 'pipe')]);
    expect(await exists('nothing')).toBe('fail/task: there is no such file');
    expect(await exists('loop')).toBe('fail/task: there is no such file');
    expect(await exists('secret')).toBe('fail/task: there is no file, but something else');
    if (process.platform !== 'win32')
      expect(await exists('pipe')).toBe('fail/task: there is no file, but something else');
    expect(await exists('out-link')).toBe('fail/task: the file is a link out of the workspace');
    expect(await exists('up/outside')).toBe('fail/task: the file is a link out of the workspace');
    for (const path of ['../outside', '/etc/hostname', 'a/../../outside', '']) {
      expect(await exists(path)).toBe(
        'fail/verifier: the path of the scorer is not one inside the workspace',
      );
    }
  });

  it('never opens a file outside, however fast a folder is swapped for a link (W1)', async () => {
    put('in/file', 'inside');
    mkdirSync(join(folder, 'out'));
    writeFileSync(join(folder, 'out/file'), 'outside');
    symlinkSync(join(folder, 'out'), join(workspace, 'trap'));
    const swapper = spawn(
      process.execPath,
      [
        '-e',
        `const { renameSync } = require('node:fs'); const end = Date.now() + 5_000;
       while (Date.now() < end) { renameSync('in', 'x'); renameSync('trap', 'in'); renameSync('in', 'trap'); renameSync('x', 'in'); }`,
      ],
      { cwd: workspace },
    );
    try {
      const seen = new Set<string>();
      for (let round = 0; round < 3_000 && seen.size < 3; round += 1) {
        const opened = await openInWorkspace(workspace, 'in/file');
        seen.add(opened.ok ? 'ok' : opened.why);
        if (!opened.ok) continue;
        expect(await opened.file.readFile('utf8')).toBe('inside');
        await opened.file.close();
      }
      expect(seen).toContain('ok');
    } finally {
      swapper.kill('SIGKILL');
    }
  });
});

describe('the scorer regex_match', () => {
  const match = (pattern: string, path = 'out.txt'): Promise<string> =>
    told(score({ kind: 'regex_match', path, pattern }));

  it('finds a match anywhere in the file', async () => {
    put('out.txt', 'first\nsecond line\n');
    expect(await match('second')).toBe('pass/: ');
    expect(await match('(?m)^second line$')).toBe('pass/: ');
    expect(await match('^second')).toBe('fail/task: the file does not match');
    expect(await match('x', 'nothing')).toBe('fail/task: there is no such file');
  });

  it('is at fault itself where the pattern is wrong, or the file too large or not UTF-8', async () => {
    put('out.txt', 'x');
    put('limit.txt', 'x'.repeat(1_000_000));
    put('large.txt', 'x'.repeat(1_000_001));
    put('bytes.txt', Buffer.from([0xff, 0xfe]));
    expect(await match('(')).toContain('fail/verifier: error parsing regexp');
    expect(await match('(?=x)')).toContain('fail/verifier: error parsing regexp');
    expect(await match('x$', 'limit.txt')).toBe('pass/: ');
    expect(await match('x', 'large.txt')).toBe('fail/verifier: the file is larger than 1000000 bytes');
    expect(await match('x', 'bytes.txt')).toBe('fail/verifier: the file is not UTF-8');
  });

  it('does not stall on a pattern that stalls others', async () => {
    put('out.txt', 'a'.repeat(50_000));
    expect(await match('(a+)+$x')).toBe('fail/task: the file does not match');
  });
});

describe('the scorer json_path', () => {
  const select = (expression: string, path = 'out.json'): Promise<string> =>
    told(score({ kind: 'json_path', path, expression }));

  it('passes for whatever is neither null nor false: 0 and "" too', async () => {
    put(
      'out.json',
      JSON.stringify({ zero: 0, empty: '', no: false, nil: null, list: [null, false, { ok: 1 }] }),
    );
    for (const expression of ['$.zero', '$.empty', '$', '$.list', '$.list[*]', '$.list[?@.ok == 1]']) {
      expect(await select(expression), expression).toBe('pass/: ');
    }
    for (const expression of ['$.no', '$.nil', '$.missing', '$.list[0,1]', '$.list[?@.ok == 2]']) {
      expect(await select(expression), expression).toBe('fail/task: the file does not match');
    }
  });

  it('blames the expression, or the file', async () => {
    put('out.json', '{');
    put('ok.json', '{"a":"aaa"}');
    expect(await select('$.a')).toBe('fail/task: not JSON');
    expect(await select('a.b', 'ok.json')).toContain('fail/verifier: ');
    expect(await select('$..[?@', 'ok.json')).toContain('fail/verifier: ');
  });

  it('has its regular expressions evaluated by RE2 too', async () => {
    put('out.json', JSON.stringify({ a: ['a'.repeat(30_000), 'abc'] }));
    expect(await select("$.a[?search(@, '(a+)+$x')]")).toBe('fail/task: the file does not match');
    expect(await select("$.a[?match(@, 'a.c')]")).toBe('pass/: ');
    expect(await select("$.a[?match(@, 'b')]")).toBe('fail/task: the file does not match');
    expect(await select("$.a[?search(@, 'b')]")).toBe('pass/: ');
    expect(await select("$.a[?match(@, '(')]")).toBe('fail/task: the file does not match');
  });
});

describe('an evaluation in a thread', () => {
  it('is ended when it takes too long, and answers as it does here', { timeout: 60_000 }, async () => {
    const root = new URL('../../../', import.meta.url);
    const entry = new URL('dist/fleet/scoring/evaluate.js', root);
    if (!existsSync(entry)) execFileSync(process.execPath, ['.ci/build.mjs'], { cwd: root });
    const built = (await import(/* @vite-ignore */ entry.href)) as {
      evaluateInThread: (limitMs: number, clock: typeof systemClock) => Evaluate;
    };
    const patient = built.evaluateInThread(30_000, systemClock);
    for (const question of [
      { kind: 'regex', pattern: 'b', text: 'abc' },
      { kind: 'json_path', expression: '$.a', text: '{"a":0}' },
      { kind: 'json_path', expression: '$.', text: '{}' },
    ] as const) {
      expect(await patient(question)).toEqual(evaluateHere(question));
    }
    const nested = JSON.stringify(Array.from({ length: 300 }, () => Array.from({ length: 30 }, () => [1])));
    const endless = { kind: 'json_path', expression: '$[?count($..*..*..*) == 0]', text: nested } as const;
    expect(await built.evaluateInThread(1_000, systemClock)(endless)).toEqual({
      kind: 'gave_out',
      fault: 'no answer after 1000 ms',
    });
  });
});

describe('the scorer command', () => {
  const run = (command: string, args: string[], parts?: Partial<ScoringPorts>): Promise<Verdict> =>
    score({ kind: 'command', command, args }, undefined, parts);
  const script = (code: string): Promise<Verdict> => run(process.execPath, ['-e', code]);

  it('passes by exit code 0, in the workspace, and keeps what was printed', async () => {
    put('here', '');
    const { result, evidence } = await script(
      "require('node:fs').statSync('here'); console.log('out'); console.error('err')",
    );
    expect(result).toBe('pass');
    expect(evidence).toHaveLength(2);
    const [out] = evidence;
    const kept = readFileSync(join(folder, 'evidence', out?.path ?? ''));
    expect(kept.toString()).toBe('out\n');
    expect(out?.checksum).toBe(`sha256:${createHash('sha256').update(kept).digest('hex')}`);
    expect(out?.path.replaceAll(/sha256|\//g, '')).toBe(out?.checksum?.slice('sha256:'.length));
  });

  it('fails for a task by any other, and is at fault itself where it cannot start or end by itself', async () => {
    expect(await told(script('process.exit(3)'))).toBe('fail/task: the command ended with 3');
    expect(await told(run('/no/such/command', []))).toContain('fail/verifier: the command cannot be started');
    expect(await told(script("process.kill(process.pid, 'SIGKILL')"))).toBe(
      'fail/verifier: the command was ended by SIGKILL',
    );
    const late: CommandRunner = () =>
      Promise.resolve({ kind: 'timed_out', stdout: Buffer.from(''), stderr: Buffer.from('') });
    expect(await told(run('x', [], { run: late }))).toBe(
      'fail/verifier: the command did not end within 600000 ms',
    );
  });
});

describe('scorers that ask somebody', () => {
  const prompt = { kind: 'code_whale_verifier_prompt', prompt: 'Is it right?' };

  it('are undecided, at half a score, until somebody says more', async () => {
    expect(await score({ kind: 'manual' })).toMatchObject({ result: 'partial', pending: 'person' });
    expect(await score(undefined)).toMatchObject({ result: 'partial', pending: 'person' });
    expect(await score(prompt)).toMatchObject({ result: 'partial', pending: 'verifier' });
  });

  it('take the verifier’s word, and keep it', async () => {
    const asked: string[] = [];
    const answering = (answer: VerifierAnswer): Partial<ScoringPorts> => ({
      verify: (request) => {
        asked.push(request.prompt);
        return Promise.resolve(answer);
      },
    });
    const answers = await Promise.all(
      (
        [
          { kind: 'answered', result: 'pass', notes: 'good' },
          { kind: 'answered', result: 'partial', notes: undefined },
          { kind: 'answered', result: 'fail', notes: 'bad' },
          { kind: 'failed', reason: 'it hangs' },
        ] as const
      ).map((answer) => told(score(prompt, undefined, answering(answer)))),
    );
    expect(answers).toEqual([
      'pass/: good',
      'partial/: ',
      'fail/task: bad',
      'fail/verifier: the verifier failed: it hangs',
    ]);
    expect(asked).toEqual(Array.from({ length: 4 }, () => 'Is it right?'));
    const { evidence, pending } = await score(
      prompt,
      undefined,
      answering({ kind: 'answered', result: 'pass', notes: 'n' }),
    );
    expect(pending).toBeUndefined();
    expect(JSON.parse(readFileSync(join(folder, 'evidence', evidence[0]?.path ?? ''), 'utf8'))).toEqual({
      prompt: 'Is it right?',
      result: 'pass',
      notes: 'n',
    });
  });
});

describe('evidence', () => {
  it('of the same content is kept once, and no half of it is ever there', async () => {
    const store = evidenceFolder(join(folder, 'e'));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        const paths = await Promise.all([store.put(bytes, sha256), store.put(bytes, sha256)]);
        expect(new Set(paths).size).toBe(1);
        expect(Buffer.compare(readFileSync(join(folder, 'e', paths[0])), bytes)).toBe(0);
      }),
      { numRuns: 30 },
    );
    const files = readdirSync(join(folder, 'e'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((name) => name.includes('.'))).toEqual([]);
  });
});

describe('a receipt', () => {
  const whose = { runId: 'r', taskId: 't', workerId: 'w', completedAt: '2026-06-12T17:00:00Z' };
  const told2 = (outcome: WorkOutcome, verdict?: Verdict): unknown => {
    const receipt = receiptOf(whose, outcome, verdict, []);
    expect(readFleet('receipt', JSON.parse(JSON.stringify(receipt)))).toEqual(receipt);
    const event = lastEventOf(outcome, verdict);
    expect(readFleet('worker_event_payload', event)).toEqual(event);
    return [receipt.result, receipt.failure_kind, event.state];
  };
  const failed = (transport: boolean): WorkOutcome => ({ kind: 'failed', reason: 'x', transport });

  it.each<[string, WorkOutcome, Verdict | undefined, unknown]>([
    ['completed and passed', { kind: 'completed', exitCode: 0 }, pass(), ['pass', undefined, 'completed']],
    [
      'completed, but its scorer fails',
      { kind: 'completed' },
      fail('task', 'no'),
      ['fail', 'task', 'failed'],
    ],
    [
      'completed, waiting for a person',
      { kind: 'completed' },
      undecided('person', 'w'),
      ['partial', 'verifier', 'completed'],
    ],
    ['failed, but its scorer passes', failed(false), pass(), ['pass', undefined, 'failed']],
    ['failed, and nobody to judge it', failed(false), undecided('person', 'w'), ['fail', 'task', 'failed']],
    ['lost with its worker', failed(true), undefined, ['fail', 'transport', 'failed']],
    ['timed out', { kind: 'timed_out', reason: 'late' }, undefined, ['timeout', 'task', 'failed']],
    ['cancelled', { kind: 'cancelled', by: 'operator' }, undefined, ['skip', undefined, 'cancelled']],
  ])('of work that %s', (_what, outcome, verdict, expected) => {
    expect(told2(outcome, verdict)).toEqual(expected);
  });

  it('has notes of a bounded length (L7)', () => {
    expect(fail('task', 'x'.repeat(10_000)).score.notes).toHaveLength(2_001);
  });
});
