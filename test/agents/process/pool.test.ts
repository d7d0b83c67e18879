/** Processes that do several jobs, one after the other: for one principal and within one set of walls. */
import { afterEach, describe, expect, it } from 'vitest';
import { hosting, scripted, type Hosted } from './hosted.js';
import { HAS_WALLS, NEEDS_WALLS } from './bwrap.js';

/** Tells which process it is, job after job. */
const SERVING = `
  while read -r line; do
    id=\${line#*'"job_id":"'}; id=\${id%%'"'*}
    case $line in *'"tool.invoke"'*) ;; *) continue;; esac
    case $line in *'"late"'*) say=late;; *'"crash"'*) exit 7;; *'"slow"'*) sleep 1000;; esac
    done=$((done + 1))
    printf '{"type":"job.completed","job_id":"%s","payload":{"value":%s,"summary":"%s"}}\\n' "$id" "$$" "$done"
    case $line in *'"late"'*) printf '{"type":"job.progress","job_id":"%s","payload":{"current":1}}\\n' "$id";; esac
  done`;

let hosted: Hosted | undefined;
afterEach(async () => {
  await hosted?.runtime.close();
});

async function pooled(pool: number, more: { maxProcesses?: number } = {}) {
  const { runtime, client } = (hosted = await hosting([scripted('worker', SERVING, { pool, ...more })]));
  const run = async (how = 'well', lease?: object) => {
    const extra = lease === undefined ? {} : { payload: { lease_request: lease } };
    return client.terminal(await client.accepted('worker', { how }, extra));
  };
  const pid = async (how?: string, lease?: object) =>
    ((await run(how, lease)).payload as { value: number }).value;
  return { runtime, client, run, pid };
}

describe('a pool', () => {
  it('gives one process one job after the other', async () => {
    const { pid } = await pooled(1);
    const first = await pid();
    expect([await pid(), await pid()]).toEqual([first, first]);
  });

  it('of none starts a process for each job', async () => {
    const { pid } = await pooled(0);
    expect(await pid()).not.toBe(await pid());
  });

  it('starts another where one crashed, or was stopped (L5, L6)', async () => {
    const { client, run, pid } = await pooled(1);
    const first = await pid();
    expect(await run('crash')).toMatchObject({ payload: { details: { exit_code: 7 } } });
    const second = await pid();
    expect(second).not.toBe(first);
    const slow = await client.accepted('worker', { how: 'slow' });
    await client.next('job.started', (frame) => frame.job_id === slow);
    client.send('cancel', { target: 'job', target_id: slow, deadline_ms: 50 });
    expect(await client.terminal(slow)).toMatchObject({ type: 'job.failed', payload: { code: 'ABORTED' } });
    expect(await pid()).not.toBe(second);
  });

  it('does not let what a process says too late reach the next job (L6)', async () => {
    const { client, run } = await pooled(1);
    await run('late');
    await run();
    expect(client.seen('job.progress')).toEqual([]);
  });

  it('has at most so many processes: further jobs wait for their turn (O1)', async () => {
    const { client } = await pooled(2, { maxProcesses: 2 });
    const jobs = await Promise.all(
      Array.from({ length: 6 }, () => client.accepted('worker', { how: 'well' })),
    );
    const ends = await Promise.all(jobs.map((job) => client.terminal(job)));
    const pids = new Set(ends.map(({ payload }) => (payload as { value: number }).value));
    expect(pids.size).toBeLessThanOrEqual(2);
  });

  it.skipIf(!HAS_WALLS)(
    `never shares a process between jobs with different leases (O2)${NEEDS_WALLS}`,
    async () => {
      const { run } = await pooled(4);
      // Within walls every process has the same number: what tells them apart is which job of theirs it was.
      const job = async (lease?: object) =>
        ((await run('well', lease)).payload as { summary?: string }).summary;
      const [tools, files] = [{ 'tool.call': ['x'] }, { 'fs.read': ['/usr/**'] }];
      expect([await job(), await job(tools), await job(files)]).toEqual(['1', '1', '1']);
      expect([await job(), await job(tools), await job(files)]).toEqual(['2', '2', '2']);
    },
  );

  it('leaves no process behind when the runtime closes, working or waiting, deaf or not (O3)', async () => {
    const { runtime, client, pid } = await pooled(1);
    const waiting = await pid();
    const deaf = `trap '' TERM; echo '{"type":"log","payload":{"level":"info","message":"'$$'"}}'; while :; do sleep 0.1; done`;
    runtime.register(scripted('deaf', deaf));
    await client.accepted('deaf');
    const working = Number((await client.next('log')).payload.message);
    await runtime.close();
    for (const gone of [waiting, working]) expect(() => process.kill(gone, 0)).toThrow('ESRCH');
  });
});
