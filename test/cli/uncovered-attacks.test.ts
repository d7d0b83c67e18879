/**
 * A job that is blocked for an act which its lease does not cover, and whatever may happen to it meanwhile: from other
 * terminals, from clients of both dialects, and with the runtime killed under it. Real processes throughout.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connect, type Client, type Job, type Question } from '../../src/client/index.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { DraftClient } from '../dialects/draft-client.js';
import { arcp, serve, type Ended, type Serving } from './arcp.js';

const PACKAGE = new URL('../../dist/index.js', import.meta.url).href;

/** `acts` does its acts one after the other, `both` at once, and each says how every act ended. */
const AGENTS = `
import { ArcpError, defineAgent } from ${JSON.stringify(PACKAGE)};
const outcome = (ctx, target) => ctx.authorize('fs.write', target).then(
  () => { ctx.log('info', 'did ' + target); return 'done'; },
  (error) => { ctx.log('info', 'not ' + target); return ArcpError.from(error).code; });
const acts = (name, more = {}) => defineAgent({
  name, version: '1.0.0', uncoveredActs: 'ask', recovery: 'restart', ...more,
  async run({ targets }, ctx) {
    const outcomes = [];
    for (const target of targets) outcomes.push(await outcome(ctx, target));
    return { attempt: ctx.attempt, outcomes };
  },
});
export const one = acts('acts');
export const threaded = acts('threaded', { worker: true, module: import.meta.url });
export const both = defineAgent({
  name: 'both', version: '1.0.0', uncoveredActs: 'ask',
  run: ({ targets }, ctx) => Promise.all(targets.map((target) => outcome(ctx, target))),
});
/** Holds a lease that it was granted, and is then blocked for another. */
export const holds = defineAgent({
  name: 'holds', version: '1.0.0', uncoveredActs: 'ask',
  async run(_input, ctx) {
    const first = await outcome(ctx, '/data/a');
    const second = await outcome(ctx, '/data/b');
    return [first, second, await outcome(ctx, '/data/a')];
  },
});
export const lifted = defineAgent({
  name: 'lifted', version: '1.0.0',
  async run({ seconds }, ctx) {
    const say = async (when) => ctx.log('info', when + ': ' + await ctx.shell(['sh', '-c', 'echo done']).then(
      ({ stdout }) => stdout.trim(), (error) => ArcpError.from(error).code));
    await say('before');
    await ctx.requestPermission({
      permission: 'trust.elevate.trusted', resource: '*', operation: 'elevate', leaseSeconds: seconds });
    await say('lifted');
    await ctx.ask('Go on?');
    await say('after');
  },
});
`;

const SECRETS = {
  ada: 'a-token-of-ada-attacking',
  eve: 'a-token-of-eve-attacking',
  root: 'a-token-of-root-attacking',
  guest: 'a-token-of-guest-attacking',
};
const TRUST = ['--trust', 'root=privileged', '--trust', 'guest=constrained'];
const LEASE = { 'fs.read': ['/data/**'] };

let folder: string;
let server: Serving;
const clients: Client[] = [];

const TOKENS = Object.entries(SECRETS).flatMap(([principal, secret]) => [
  '--token',
  `${secret}=${principal}`,
]);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-uncovered-'));
  writeFileSync(join(folder, 'agents.mjs'), AGENTS);
  await start('0');
}, 30_000);

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

afterAll(async () => {
  server.arcp.signal('SIGTERM');
  await server.arcp.ended();
  rmSync(folder, { recursive: true, force: true });
});

async function start(port: string): Promise<void> {
  const args = ['--agents', join(folder, 'agents.mjs'), '--data', join(folder, 'data'), '--port', port];
  server = await serve([...args, ...TOKENS, ...TRUST]);
}

/** The process is killed, and another one is there at the same address. */
async function killedAndStarted(): Promise<void> {
  server.arcp.signal('SIGKILL');
  await server.arcp.ended();
  await start(new URL(server.url).port);
}

function run(who: keyof typeof SECRETS, ...args: string[]): Promise<Ended> {
  return arcp(args, { ARCP_TOKEN: SECRETS[who], ARCP_URL: server.url });
}

async function clientOf(who: keyof typeof SECRETS): Promise<Client> {
  const client = await connect(server.url, { token: SECRETS[who] });
  clients.push(client);
  return client;
}

async function begin(agent: string, targets: readonly string[] = [], options: object = {}): Promise<Job> {
  return (await clientOf('ada')).invoke(agent, { targets }, { leaseRequest: LEASE, ...options });
}

/** The ids of the questions that it is blocked for, once there are so many, by their resources. */
async function blocked(job: Job, count = 1): Promise<Map<string, string>> {
  const open = new Map<string, string>();
  for await (const { id, request } of job.questions()) {
    open.set((request.payload as { resource: string }).resource, id);
    if (open.size === count) return open;
  }
  throw new Error('it has ended');
}

/** What a job waits for, as somebody sees it. */
async function open(jobId: string, who: keyof typeof SECRETS = 'ada'): Promise<Question[]> {
  const found: Question[] = [];
  for await (const question of (await clientOf(who)).questions())
    if (question.jobId === jobId) found.push(question);
  return found;
}

const resources = (questions: readonly Question[]) =>
  questions.map(({ request }) => (request.payload as { resource?: string }).resource);

describe('a job that is blocked for an act', { timeout: 120_000 }, () => {
  it('goes on with that act alone when one of two is granted, and with the other when that is denied', async () => {
    const job = await begin('both', ['/data/a', '/data/b']);
    const ids = await blocked(job, 2);
    const many = await run('ada', 'approve', job.id);
    expect(many).toMatchObject({ code: 2 });
    expect(many.stderr).toContain(`${job.id} asks 2 things`);
    const one = await run('ada', 'approve', job.id, '--question', ids.get('/data/b') ?? '');
    expect(one).toMatchObject({ code: 0 });
    for await (const event of job) {
      if (event.type !== 'log') continue;
      expect(event.payload.message).toBe('did /data/b');
      break;
    }
    expect(resources(await open(job.id))).toEqual(['/data/a']);
    expect(await run('ada', 'approve', job.id, '--deny', '--reason', 'no')).toMatchObject({ code: 0 });
    expect((await job.result()).value).toEqual(['PERMISSION_DENIED', 'done']);
  });

  it('stays blocked while another lease of its is taken back, and goes on without that one', async () => {
    const job = await begin('holds');
    await blocked(job);
    await (await open(job.id))[0]?.grant();
    let lease = '';
    for await (const event of job) {
      if (event.type === 'lease.granted') lease = event.payload.lease_id;
      if (event.type === 'permission.request' && event.payload.resource === '/data/b') break;
    }
    expect((await run('eve', 'lease', 'revoke', lease)).stderr).toContain('PERMISSION_DENIED');
    expect(await run('ada', 'lease', 'revoke', lease)).toMatchObject({ code: 0 });
    const [question] = await open(job.id);
    expect(question?.request.payload).toMatchObject({ resource: '/data/b' });
    await question?.grant();
    expect((await job.result()).value).toEqual(['done', 'done', 'LEASE_REVOKED']);
  });

  it('is not seen by another principal, nor answered, and ends at once when it is cancelled', async () => {
    const job = await begin('acts', ['/data/a']);
    const id = (await blocked(job)).get('/data/a') ?? '';
    expect(await open(job.id, 'eve')).toEqual([]);
    expect((await run('eve', 'approve', job.id, '--question', id)).code).toBe(1);
    expect((await run('eve', 'interrupt', job.id, 'Why?')).stderr).toContain('PERMISSION_DENIED');
    const [question] = await open(job.id);
    expect(await run('ada', 'cancel', job.id)).toMatchObject({ code: 0 });
    await expect(job.result()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await open(job.id)).toEqual([]);
    await expect(question?.grant()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('waits for whoever interrupts it as well, from another terminal', async () => {
    const job = await begin('acts', ['/data/a']);
    await blocked(job);
    expect(await run('ada', 'interrupt', job.id, 'Why?')).toMatchObject({ code: 0 });
    const [act, why] = await open(job.id);
    await act?.grant();
    expect(await open(job.id)).toHaveLength(1);
    expect(why?.prompt).toBe('Why?');
    expect(await run('ada', 'answer', job.id, 'so')).toMatchObject({ code: 0 });
    expect((await job.result()).value).toMatchObject({ outcomes: ['done'] });
  });

  it('fails when its lease ends meanwhile', async () => {
    const expires_at = new Date(Date.now() + 2_000).toISOString();
    const job = await begin('acts', ['/data/a'], { leaseRequest: { ...LEASE, expires_at } });
    await expect(job.result()).rejects.toMatchObject({ code: 'LEASE_EXPIRED', retryable: false });
    expect(await open(job.id)).toEqual([]);
  });

  it.each(['acts', 'threaded'])(
    'is asked once, whatever is killed: %s goes on after a restart, and what it was granted or denied holds',
    async (agent) => {
      const before = await begin(agent, ['/data/a', '/data/b']);
      await blocked(before);
      await killedAndStarted();
      expect(await run('ada', 'approve', before.id)).toEqual({
        code: 0,
        stdout: '',
        stderr: `${before.id} was granted what it asked\n`,
      });
      const client = await clientOf('ada');
      const types: string[] = [];
      for await (const event of await client.watch(before.id)) {
        types.push(event.type);
        if (event.type === 'permission.request' && event.payload.resource === '/data/b')
          await (await open(before.id))[0]?.deny();
        if (event.type === 'job.completed') {
          const outcomes = ['done', 'PERMISSION_DENIED'];
          expect(event.payload.value).toEqual({ attempt: 2, outcomes });
        }
      }
      const count = (wanted: string) => types.filter((type) => type === wanted).length;
      expect(['permission.request', 'lease.granted', 'job.completed'].map(count)).toEqual([2, 1, 1]);
    },
  );

  it('of a draft-1.1 client completes when a classic client of its principal grants it', async () => {
    const draft = new DraftClient(await dialWebSocket(server.url));
    await draft.hello(SECRETS.ada);
    const job = await draft.accepted('acts', { targets: ['/data/a'] }, { lease_request: LEASE });
    const told = await draft.next('job.event', ({ payload }) => JSON.stringify(payload).includes('/data/a'));
    expect(told.payload).toMatchObject({ kind: 'status', body: { phase: 'awaiting_permission' } });
    expect(await run('ada', 'approve', job)).toMatchObject({ code: 0 });
    expect(await draft.terminal(job)).toMatchObject({ type: 'job.result' });
    draft.transport.close(1000, '');
  });
});

describe('a job of somebody who is constrained', { timeout: 120_000 }, () => {
  /** Asks to be lifted, and is, by somebody privileged. */
  async function lifted(seconds: number) {
    const guest = await clientOf('guest');
    const job = await guest.invoke('lifted', { seconds });
    for await (const own of job.questions()) {
      await expect(own.grant()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
      break;
    }
    expect(await open(job.id, 'ada')).toEqual([]);
    expect(await run('root', 'approve', job.id)).toMatchObject({ code: 0 });
    let lease = { id: '', until: 0 };
    for await (const { type, payload } of job) {
      if (type === 'lease.granted') lease = { id: payload.lease_id, until: Date.parse(payload.expires_at) };
      if (type === 'human.input.request') break;
    }
    return { job, lease };
  }

  async function ended(job: Job): Promise<string[]> {
    await (await open(job.id, 'guest'))[0]?.answer('yes');
    const said: string[] = [];
    for await (const { type, payload } of await (await clientOf('guest')).watch(job.id)) {
      if (type === 'log') said.push(payload.message);
      if (type === 'metric') said.push(payload.name);
    }
    return said;
  }

  it('is lifted by somebody privileged alone, until the lease is taken back, and that is told', async () => {
    const { job, lease } = await lifted(300);
    expect((await run('ada', 'lease', 'revoke', lease.id)).stderr).toContain('PERMISSION_DENIED');
    expect(await run('root', 'lease', 'revoke', lease.id)).toMatchObject({ code: 0 });
    expect(await ended(job)).toEqual([
      'before: PERMISSION_DENIED',
      expect.stringMatching(/^lifted from constrained to trusted until /) as string,
      'trust.elevation',
      'lifted: done',
      'after: PERMISSION_DENIED',
    ]);
    await server.arcp.until('stderr', new RegExp(`"${job.id}".*"granted_by":"root".*"trust elevated"`));
  });

  /** What is asked for is that time passes: the processes have the clock of the machine. */
  const untilOver = (time: number): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now()) + 50));

  it('is lifted no longer than the lease holds', async () => {
    const { job, lease } = await lifted(2);
    await untilOver(lease.until);
    expect((await ended(job)).at(-1)).toBe('after: PERMISSION_DENIED');
  });
});
