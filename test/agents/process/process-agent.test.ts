/** Agents that are processes: what they say becomes their job's, and whatever they do, it is their own job that suffers. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { processAgent } from '../../../src/index.js';
import { hosting, scripted, type Hosted } from './hosted.js';
import { HAS_WALLS, NEEDS_WALLS } from './bwrap.js';

const COMPLETED = `echo '{"type":"job.completed","payload":{"value":"done"}}'`;
/** Reads its invocation; `$id` is the job's. */
const READ = `read -r line; id=\${line#*'"job_id":"'}; id=\${id%%'"'*}`;

const marks = mkdtempSync(join(tmpdir(), 'arcp-marks-'));

const AGENTS = [
  scripted('plain', `read line; ${COMPLETED}`),
  scripted(
    'telling',
    `read line
     echo '{"type":"job.progress","payload":{"current":1,"total":2,"message":"half"}}'
     echo '{"type":"log","payload":{"level":"warn","message":"well"}}'
     echo '{"type":"metric","payload":{"name":"m","value":2,"unit":"1"}}'
     echo '{"type":"job.result_chunk","payload":{"result_id":"res_1","chunk_seq":0,"data":"all","encoding":"utf8","more":false}}'
     echo '{"type":"job.completed","payload":{"summary":"told"}}'`,
  ),
  scripted(
    'echoing',
    `${READ}; printf '{"type":"tool.result","job_id":"%s","payload":{"value":%s}}\\n' "$id" "$line"`,
  ),
  scripted(
    'refusing',
    `read line; echo '{"type":"job.failed","payload":{"code":"NOT_FOUND","message":"no such thing"}}'`,
  ),
  scripted(
    'charging',
    `read line; echo '{"type":"metric","payload":{"name":"cost.x","value":0.5,"unit":"USD"}}'; read answer; case $answer in *'"nack"'*BUDGET_EXHAUSTED*) echo '{"type":"tool.result","payload":{"value":"refused"}}';; *'"ack"'*) echo '{"type":"tool.result","payload":{"value":"charged"}}';; *) echo "$answer" >&2; exit 1;; esac`,
  ),
  scripted(
    'asking-late',
    `${READ}
     echo '{"type":"human.input.request","payload":{"prompt":"?","response_schema":true,"default":"nobody","expires_at":"2020-01-01T00:00:00Z"}}'
     while read -r answer; do case $answer in *'"human.input.response"'*nobody*) ${COMPLETED}; exit;; *cancelled*) echo "$answer" >&2; exit 1;; esac; done`,
  ),
  scripted('crashing', `read line; echo 'one' >&2; echo 'why it crashed' >&2; exit 3`),
  scripted('temporary', `exit 75`),
  scripted('killed', `read line; kill -SEGV $$`),
  scripted('silent', `read line; exit 0`),
  scripted(
    'garbage',
    `read line; echo 'debugging'; echo '[1]'; echo '{"type":"nothing.known"}'; echo '{"type":"job.progress","payload":{"percent":-1}}'; read a; read b; read c; read d; ${COMPLETED}; echo "$a $b $c $d" | grep -o nack | wc -l >&2`,
  ),
  scripted('endless', `read line; exec cat /dev/zero`),
  scripted(
    'endless-text',
    `read line; while :; do printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; done`,
  ),
  scripted('binary', `read line; printf '\\377\\376\\n'; sleep 1000`),
  scripted('flooding', `yes not-a-message`),
  scripted('flooding-stderr', `read line; yes aaaaaaaaaaaaaaaa | head -100000 >&2; ${COMPLETED}`),
  scripted(
    'flooding-progress',
    `read line; yes '{"type":"job.progress","payload":{"current":1}}' | head -20000; ${COMPLETED}`,
  ),
  scripted('daemon', `read line; (trap '' TERM; sleep 1000) & ${COMPLETED}`),
  scripted('leaving-session', `read line; setsid sleep 1.7 & echo crashed >&2; exit 9`),
  scripted(
    'deaf',
    `trap '' TERM; echo '{"type":"job.started"}'; : > '${marks}/deaf'; while :; do sleep 0.1; done`,
  ),
  scripted(
    'graceful',
    `trap 'echo "{\\"type\\":\\"job.cancelled\\",\\"payload\\":{\\"reason\\":\\"asked\\"}}"; exit' TERM; echo '{"type":"job.started"}'; while :; do sleep 0.05; done`,
  ),
  scripted(
    'listening',
    `read line; echo '{"type":"job.started"}'; read line; case $line in *'"cancel"'*) : > '${marks}/heard'; echo '{"type":"job.cancelled","payload":{}}';; esac`,
  ),
  scripted(
    'twice',
    `read line; ${COMPLETED}; echo '{"type":"job.failed","payload":{"code":"INTERNAL","message":"no"}}'; ${COMPLETED}; echo '{"type":"job.progress","payload":{"current":1}}'; exit 4`,
  ),
  scripted('lingering', `read line; ${COMPLETED}; trap '' TERM; exec sleep 1000`),
  scripted(
    'foreign',
    `read line; echo '{"type":"job.completed","job_id":"job_other","payload":{}}'; read answer; ${COMPLETED}`,
  ),
  scripted(
    'folder',
    `read line; echo x > file; mkdir -p a/b; printf '{"type":"tool.result","payload":{"value":"%s"}}\\n' "$PWD"`,
  ),
  processAgent({ name: 'missing', version: '1.0.0', command: 'no-such-program-anywhere', trusted: true }),
  processAgent({
    name: 'default-walls',
    version: '1.0.0',
    command: ['sh', '-c', `read line; ls /root >/dev/null 2>&1 && echo seen >&2; ${COMPLETED}`],
  }),
];

let hosted: Hosted;
beforeAll(async () => {
  hosted = await hosting(AGENTS);
});
afterAll(async () => {
  await hosted.runtime.close();
  rmSync(marks, { recursive: true });
});

async function run(agent: string, args: unknown = {}, extra: Readonly<Record<string, unknown>> = {}) {
  return hosted.client.terminal(await hosted.client.accepted(agent, args, extra));
}

const logsOf = (jobId: string): string[] =>
  hosted.client
    .seen((frame) => frame.type === 'log' && frame.job_id === jobId)
    .map((frame) => (frame.payload as { message: string }).message);

describe('an agent that is a process', () => {
  it('reads a line and answers with a line', async () => {
    expect(await run('plain')).toMatchObject({ type: 'job.completed', payload: { value: 'done' } });
  });

  it('tells of its work, and streams its result', async () => {
    const job = await hosted.client.accepted('telling');
    expect((await hosted.client.terminal(job)).payload).toMatchObject({
      summary: 'told',
      result_id: 'res_1',
      result_size: 3,
    });
    expect(hosted.client.story(job)).toEqual([
      'job.accepted',
      'job.started',
      'job.progress',
      'log',
      'metric',
      'job.result_chunk',
      'job.completed',
    ]);
  });

  it('is told its arguments, its lease and who asks', async () => {
    const { payload } = await run(
      'echoing',
      { a: [1] },
      { payload: { lease_request: { 'tool.call': ['x.*'] } } },
    );
    expect(payload).toMatchObject({
      value: {
        type: 'tool.invoke',
        payload: {
          tool: 'echoing@1.0.0',
          arguments: { a: [1] },
          lease_request: { 'tool.call': ['x.*'] },
          job: { attempt: 1, closed: true },
        },
      },
    });
  });

  it('fails its job as it says', async () => {
    expect(await run('refusing')).toMatchObject({
      type: 'job.failed',
      payload: { code: 'NOT_FOUND', message: 'no such thing' },
    });
  });

  it('spends what the budget covers, and is refused the rest', async () => {
    const budget = (amount: string) => ({ payload: { cost_budget: [`USD:${amount}`] } });
    expect((await run('charging', {}, budget('1.00'))).payload).toMatchObject({ value: 'charged' });
    expect((await run('charging', {}, budget('0.40'))).payload).toMatchObject({ value: 'refused' });
  });

  it('that asks what has run out by the time it is read gets the answer of nobody in time', async () => {
    expect(await run('asking-late')).toMatchObject({ type: 'job.completed', payload: { value: 'done' } });
  });

  it('has a folder of its own that goes with it', async () => {
    const { payload } = (await run('folder')) as { payload: { value: string } };
    expect(payload.value).toContain('arcp-agent-');
    await expect.poll(() => existsSync(payload.value)).toBe(false);
  });
});

describe('the silence of a process', () => {
  it('says nothing while it starts, and is its end once it has spoken', async () => {
    const progress = `echo '{"type":"job.progress","payload":{"percent":1}}'`;
    const agents = [
      scripted('slow-to-start', `read line; sleep 1; ${COMPLETED}`),
      scripted('falls-silent', `read line; ${progress}; exec sleep 30`),
    ];
    const { runtime, client } = await hosting(agents, {}, { heartbeat_interval_seconds: 0.2 });
    try {
      const [slow, silent] = [await client.accepted('slow-to-start'), await client.accepted('falls-silent')];
      expect(await client.terminal(slow)).toMatchObject({ type: 'job.completed' });
      expect(await client.terminal(silent)).toMatchObject({ payload: { code: 'HEARTBEAT_LOST' } });
    } finally {
      await runtime.close();
    }
  });
});

describe('the end of a process', () => {
  it.each([
    [
      'crashing',
      'INTERNAL',
      'the process of crashing@1.0.0 exited with 3: one | why it crashed',
      { exit_code: 3 },
    ],
    ['temporary', 'UNAVAILABLE', 'the process of temporary@1.0.0 exited with 75', { exit_code: 75 }],
    ['killed', 'INTERNAL', 'the process of killed@1.0.0 was ended by SIGSEGV', { signal: 'SIGSEGV' }],
    ['silent', 'INTERNAL', 'the process of silent@1.0.0 ended without a result', { exit_code: 0 }],
    [
      'missing',
      'FAILED_PRECONDITION',
      'no-such-program-anywhere: there is no such program, or it cannot be run',
      undefined,
    ],
  ])('of %s fails its job with %s', async (agent, code, message, details) => {
    const job = await hosted.client.accepted(agent);
    const end = await hosted.client.terminal(job);
    expect(end).toMatchObject({
      type: 'job.failed',
      payload: { code, message, ...(details && { details }) },
    });
    if (agent === 'crashing') expect(logsOf(job)).toEqual(['one', 'why it crashed']);
  });
});

describe('a hostile process', () => {
  it('that writes garbage is told so line by line, and goes on (L2)', async () => {
    const job = await hosted.client.accepted('garbage');
    expect(await hosted.client.terminal(job)).toMatchObject({ type: 'job.completed' });
    expect(logsOf(job)).toEqual([
      'debugging (stdout, the line is not JSON)',
      '[1] (stdout, the line is not a JSON object)',
      '{"type":"nothing.known"} (stdout, type: "nothing.known" is not known)',
      expect.stringContaining('percent'),
    ]);
  });

  it.each([
    ['endless', 'RESOURCE_EXHAUSTED'],
    ['endless-text', 'RESOURCE_EXHAUSTED'],
    ['binary', 'INVALID_ARGUMENT'],
    ['flooding', 'INVALID_ARGUMENT'],
  ])('%s fails its own job with %s, and nobody else notices (L6, L7)', async (agent, code) => {
    const bad = hosted.client.accepted(agent);
    expect(await run('plain')).toMatchObject({ type: 'job.completed' });
    expect(await hosted.client.terminal(await bad)).toMatchObject({ type: 'job.failed', payload: { code } });
    expect(await run('plain')).toMatchObject({ type: 'job.completed' });
  });

  it('that asks and never reads the answers is ended when too many wait for it (L3)', async () => {
    const asking = scripted('asking', `yes '{"type":"ping","payload":{}}'`);
    const { runtime, client } = await hosting([asking], {
      softBufferBytes: 50_000,
      hardBufferBytes: 100_000,
    });
    expect(await client.terminal(await client.accepted('asking'))).toMatchObject({
      type: 'job.failed',
      payload: { code: 'BACKPRESSURE_OVERFLOW' },
    });
    await runtime.close();
  });

  it('that floods its stderr has some of it told, and how much was left out (G1)', async () => {
    const job = await hosted.client.accepted('flooding-stderr');
    expect(await hosted.client.terminal(job)).toMatchObject({ type: 'job.completed' });
    const logs = logsOf(job);
    expect(logs.length).toBeGreaterThanOrEqual(100);
    expect(logs.length).toBeLessThan(5_000);
  });

  it('that says much is read as fast as the store takes it, and all of it is kept (L3)', async () => {
    const job = await hosted.client.accepted('flooding-progress');
    expect(await hosted.client.terminal(job)).toMatchObject({ type: 'job.completed' });
    expect(hosted.client.seen((frame) => frame.type === 'job.progress' && frame.job_id === job)).toHaveLength(
      20_000,
    );
  });

  it('that leaves others behind with its output open ends its job all the same (K3)', async () => {
    expect(await run('daemon')).toMatchObject({ type: 'job.completed' });
    expect(await run('leaving-session')).toMatchObject({
      type: 'job.failed',
      payload: { details: { exit_code: 9 } },
    });
  });

  it('that ends its job twice, and goes on talking, has ended it once', async () => {
    const job = await hosted.client.accepted('twice');
    expect(await hosted.client.terminal(job)).toMatchObject({
      type: 'job.completed',
      payload: { value: 'done' },
    });
    expect(await run('plain')).toMatchObject({ type: 'job.completed' });
    expect(hosted.client.story(job)).toEqual(['job.accepted', 'job.started', 'job.completed']);
  });

  it('that lingers holds up nobody', async () => {
    expect(await run('lingering')).toMatchObject({ type: 'job.completed' });
  });

  it('that speaks for the job of another is refused', async () => {
    expect(await run('foreign')).toMatchObject({ type: 'job.completed', payload: { value: 'done' } });
  });
});

describe('a job that is cancelled', () => {
  const cancel = async (agent: string) => {
    const job = await hosted.client.accepted(agent);
    await hosted.client.next('job.started', (frame) => frame.job_id === job);
    if (agent === 'deaf') await expect.poll(() => existsSync(join(marks, 'deaf'))).toBe(true);
    hosted.client.send('cancel', { target: 'job', target_id: job });
    return hosted.client.terminal(job);
  };

  it('has its process told by a line (L4)', async () => {
    expect(await cancel('listening')).toMatchObject({ type: 'job.cancelled' });
    expect(existsSync(join(marks, 'heard'))).toBe(true);
  });

  it('has its process told by TERM then, and killed if it does not take that (K2)', async () => {
    expect(await cancel('graceful')).toMatchObject({ type: 'job.cancelled' });
    expect(await cancel('deaf')).toMatchObject({ type: 'job.cancelled' });
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(`${marks}/deaf`);
  });
});

describe.skipIf(!HAS_WALLS)(`an agent that is not trusted${NEEDS_WALLS}`, () => {
  it('runs within walls, also without a lease (decision 26)', async () => {
    const job = await hosted.client.accepted('default-walls');
    expect(await hosted.client.terminal(job)).toMatchObject({ type: 'job.completed' });
    expect(logsOf(job)).toEqual([]);
  });

  it('even a trusted one stays within the lease of its job (L4)', async () => {
    const { payload } = (await run('folder', {}, { payload: { lease_request: { 'tool.call': ['x'] } } })) as {
      payload: { value: string };
    };
    expect(payload.value).toContain('arcp-agent-');
  });
});
