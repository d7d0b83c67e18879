/** Jobs that are handed over between two real processes, each of which is killed in the middle of one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, type Client, type JobEvent } from '../../src/client/index.js';
import { jsonLines, serve, type Serving } from './arcp.js';

/** Spends half, waits for a file, and spends the other half. */
const AGENTS = `import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
export default {
  name: 'slow', version: '1.0.0', default: true, heartbeat: 'auto', recovery: 'resume',
  async run({ gate }, ctx) {
    if (ctx.attempt === 1) await ctx.charge('cost.one', '0.25', 'USD');
    for (let looks = 0; looks < 2_000 && !existsSync(gate); looks += 1)
      await sleep(10, undefined, { signal: ctx.signal });
    await ctx.charge('cost.two', '0.25', 'USD');
    return (await ctx.lease.remaining()).USD;
  },
};
`;

let folder: string;
const started: Serving[] = [];
const clients: Client[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-handed-'));
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await Promise.all(started.splice(0).map(killed));
  rmSync(folder, { recursive: true });
});

async function killed({ arcp }: Serving): Promise<void> {
  arcp.signal('SIGKILL');
  await arcp.ended();
}

async function pair() {
  const [agents, gate] = [join(folder, 'agents.mjs'), join(folder, 'gate')];
  writeFileSync(agents, AGENTS);
  const start = async (name: string, args: readonly string[], env: NodeJS.ProcessEnv) => {
    const server = await serve(['--data', join(folder, name), ...args], env);
    started.push(server);
    return server;
  };
  const startFar = (port: string) =>
    start('far', ['--agents', agents, '--port', port], { ARCP_TOKEN: 'far' });
  const far = await startFar('0');
  const fingerprint = String(jsonLines(far.arcp.stdout)[0]?.['fingerprint']);
  const target = `east=${far.url},${fingerprint}`;
  const startNear = () =>
    start('near', ['--handoff-target', target], { ARCP_TOKEN: 'near', ARCP_HANDOFF_TOKEN_EAST: 'far' });
  const near = await startNear();
  const client = await open(near, 'near');
  const job = await client.handoff({ fingerprint }, 'slow', { arguments: { gate }, budget: ['USD:1.00'] });
  for await (const event of job) if (nameOf(event) === 'cost.budget.remaining') break;
  return {
    far,
    near,
    jobId: job.id,
    startNear,
    startFarAgain: () => startFar(new URL(far.url).port),
    goOn: () => {
      writeFileSync(gate, '');
    },
  };
}

async function open({ url }: Serving, token: string): Promise<Client> {
  const client = await connect(url, { token });
  clients.push(client);
  return client;
}

function nameOf(event: JobEvent): string {
  return event.type === 'metric' ? event.payload.name : event.type;
}

/** The whole story of a job, in a session that has not heard of it, without what comes as often as time allows. */
async function storyOf(client: Client, jobId: string): Promise<string[]> {
  const names: string[] = [];
  for await (const event of await client.watch(jobId))
    if (event.type !== 'job.heartbeat' && !event.type.startsWith('job.rec')) names.push(nameOf(event));
  return names;
}

async function statusesAt(client: Client): Promise<(readonly [string, string])[]> {
  const found: (readonly [string, string])[] = [];
  for await (const { agent, status } of client.jobs()) found.push([agent, status]);
  return found;
}

const SPENT = ['cost.one', 'cost.budget.remaining', 'cost.two', 'cost.budget.remaining'];

describe('a job that was handed over', () => {
  it('outlives kill -9 of the runtime that handed it over, also where the other one is down when it is back (F3)', async () => {
    const { near, far, jobId, startNear, startFarAgain, goOn } = await pair();
    await killed(near);
    await killed(far);
    const again = await open(await startNear(), 'near');
    const watched = await again.watch(jobId);
    const farAgain = await startFarAgain();
    goOn();
    expect((await watched.result()).value).toBe('0.5');
    const story = await storyOf(again, jobId);
    expect(story.filter((name) => name.startsWith('cost.'))).toEqual(SPENT);
    expect(story.filter((name) => name === 'job.completed')).toHaveLength(1);
    expect(await statusesAt(await open(farAgain, 'far'))).toEqual([['slow@1.0.0', 'completed']]);
  });

  it('outlives kill -9 of the runtime that it was handed over to (F3)', async () => {
    const { near, far, jobId, startFarAgain, goOn } = await pair();
    await killed(far);
    const farAgain = await startFarAgain();
    goOn();
    const client = await open(near, 'near');
    expect((await (await client.watch(jobId)).result()).value).toBe('0.5');
    const story = await storyOf(client, jobId);
    expect(story.filter((name) => name.startsWith('cost.'))).toEqual(SPENT);
    expect(await statusesAt(await open(farAgain, 'far'))).toEqual([['slow@1.0.0', 'completed']]);
  });
});
