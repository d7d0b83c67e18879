/**
 * The conformance agents against their description. Every run of `spec-fixtures/agents.json` is made with the real
 * agents, on a runtime in memory whose clock only the test moves.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Agent } from '../../src/agents/agent.js';
import type { Client, Job, JobEvent } from '../../src/client/index.js';
import { conformanceAgents } from '../../src/conformance/agents/index.js';
import { RandomBytes } from '../../src/conformance/agents/random-bytes.js';
import type { CredentialProvisioner } from '../../src/index.js';
import { formatAmount, type StreamKind } from '../../src/protocol/index.js';
import { testRuntime, type TestRuntime } from '../../src/testing/index.js';
import { expectEvents, type ExpectedEvent } from './expected-events.js';
import { sceneOf, type Outside } from './scene.js';
import { FIXTURES_ROOT, fixtureCases, type FixtureCase } from '../spec-fixtures/load.js';

interface AgentCase extends FixtureCase {
  readonly name: string;
  readonly versions: readonly string[];
  readonly default?: string;
  readonly arguments: Readonly<Record<string, Argument>>;
  readonly heartbeat: 'auto' | 'manual';
  readonly cancellable?: boolean;
  readonly runs: readonly Run[];
}

interface Argument {
  readonly type: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly optional?: boolean;
}

interface Run extends Outside {
  readonly agent?: string;
  readonly as_workflow?: boolean;
  readonly arguments: unknown;
  readonly cost_budget?: readonly string[];
  readonly lease_request?: Readonly<Record<string, unknown>>;
  readonly after_ms?: number;
  readonly heartbeat_lost?: boolean;
  readonly answers?: readonly { readonly type: string; readonly payload: never }[];
  /** What the client streams into the job. */
  readonly input?: { readonly kind: StreamKind; readonly chunks: readonly never[] };
  readonly events: readonly ExpectedEvent[];
}

interface Vector {
  readonly seed: number;
  readonly bytes: number;
  readonly hex?: string;
  readonly sha256: string;
}

/** What the runtime's default interval makes of two missed heartbeats. */
const TWO_MISSED_MS = 60_000;

async function hosting(
  credentials?: CredentialProvisioner,
  takesCredentials?: boolean,
): Promise<{ test: TestRuntime; client: Client }> {
  const test = testRuntime(credentials && { credentials });
  for (const agent of conformanceAgents(test.clock)) test.runtime.register(agent);
  const capabilities = { provisioned_credentials: takesCredentials !== false };
  return { test, client: await test.connect({ capabilities }) };
}

/** All events of the job itself; those about its children and the runtime's own heartbeats are left out. */
async function eventsOf(job: Job, heartbeat: 'auto' | 'manual'): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of job) {
    if (event.type === 'agent.delegate' || event.type === 'event.emit') continue;
    if (event.type === 'job.heartbeat' && heartbeat === 'auto') continue;
    events.push(event);
  }
  return events;
}

/** Gives the answers of a run to its questions, as they come. */
async function answerQuestions(job: Job, answers: Run['answers'] = []): Promise<void> {
  const left = [...answers];
  for await (const question of job.questions()) {
    const answer = left.shift();
    if (answer === undefined) continue;
    const {
      value,
      choice_id,
      message,
      reason,
    }: { value?: unknown; choice_id?: string; message?: string; reason?: string } = answer.payload;
    switch (answer.type) {
      case 'human.input.response':
        await question.answer(value);
        break;
      case 'human.choice.response':
        await question.choose(choice_id ?? '');
        break;
      case 'permission.grant':
        await question.grant();
        break;
      default:
        await question.decline(reason ?? message);
    }
  }
}

/** The result ids of a run: `undefined` among them when `job.completed` lacks the one that the chunks have. */
function streamedIds(events: readonly JobEvent[]): Set<string | undefined> {
  const chunks = events.filter((event) => event.type === 'job.result_chunk');
  const completed = events.filter((event) => event.type === 'job.completed');
  return new Set(
    (chunks.length === 0 ? [] : [...chunks, ...completed]).map(({ payload }) => payload.result_id),
  );
}

describe.each(fixtureCases<AgentCase>('agents.json'))('$id: $shows', (agentCase) => {
  const agents = conformanceAgents().filter(({ name }) => name === agentCase.name);
  const [agent] = agents as [Agent];

  it('is hosted in the versions, with the default and the heartbeats that its description says', () => {
    expect(agents.map(({ version }) => version)).toEqual(agentCase.versions);
    expect(agents.find((one) => one.default)?.version).toBe(agentCase.default);
    expect(agents.map(({ heartbeat }) => heartbeat)).toEqual(agents.map(() => agentCase.heartbeat));
  });

  it.each(agentCase.runs.map((run, index) => ({ run, index: String(index + 1) })))(
    'tells exactly the events of run $index, in their order',
    async ({ run: asked }) => {
      await using scene = await sceneOf(asked);
      const { run } = scene;
      const { test, client } = await hosting(scene.gateway?.credentials, run.gateway?.client_takes);
      await using _ = test;
      const options = {
        ...(run.cost_budget && { budget: run.cost_budget }),
        ...(run.lease_request && { leaseRequest: run.lease_request }),
      };
      const name = run.agent ?? agentCase.name;
      const job = await (run.as_workflow === true
        ? client.startWorkflow(name, run.arguments, options)
        : client.invoke(name, run.arguments, options));
      const events = eventsOf(job, agentCase.heartbeat);
      const answered = answerQuestions(job, run.answers);
      if (run.input !== undefined) {
        const input = await job.openInput({ kind: run.input.kind });
        for (const chunk of run.input.chunks) await input.write(chunk);
        await input.end();
      }
      const wait = run.heartbeat_lost === true ? TWO_MISSED_MS : run.after_ms;
      if (wait !== undefined) {
        await test.clock.advance(wait - 1);
        expect(job.ended, 'it takes its time').toBe(false);
        await test.clock.advance(1);
      }
      const told = await events;
      await answered;
      expectEvents(told, run.events);
      for (const [name, text] of Object.entries(run.leaves ?? {})) expect(scene.read(name)).toBe(text);
      if (scene.gateway !== undefined) {
        expect(scene.gateway.generated).toMatchObject(run.gateway?.generated ?? []);
        await scene.gateway.emptied();
      }
      expect(streamedIds(told).size, 'one result_id, in the chunks and in job.completed').toBeLessThanOrEqual(
        1,
      );
    },
  );

  it('takes the arguments that its description lists, with their defaults and bounds', () => {
    const given = Object.fromEntries(
      Object.entries(agentCase.arguments)
        .filter(([, argument]) => argument.default === undefined && argument.optional !== true)
        .map(([name]) => [name, 'echo']),
    );
    const parse = (args: object) => agent.input?.safeParse({ ...given, ...args });
    const parsed = parse({})?.data as Record<string, unknown> | undefined;
    expect(Object.keys(agentCase.arguments).length > 0).toBe(agent.input !== undefined);
    for (const [name, { default: value, minimum, maximum }] of Object.entries(agentCase.arguments)) {
      const actual = parsed?.[name];
      expect(typeof actual === 'bigint' ? formatAmount(actual) : actual).toEqual(value ?? given[name]);
      if (minimum !== undefined) {
        expect(parse({ [name]: minimum })?.success).toBe(true);
        expect(parse({ [name]: minimum - 1 })?.success).toBe(false);
      }
      if (maximum !== undefined) {
        expect(parse({ [name]: maximum })?.success).toBe(true);
        expect(parse({ [name]: maximum + 1 })?.success).toBe(false);
      }
    }
  });
});

/** Arguments under which an agent takes its time, where it does not without any. */
const TO_BE_CANCELLED = new Map<string, unknown>([
  ['delegator', { target: 'sleep', task: 'wait' }],
  ['sequence', { steps: [{ target: 'sleep' }] }],
]);

describe('a conformance agent that can be cancelled', () => {
  const cancellable = fixtureCases<AgentCase>('agents.json').filter((one) => one.cancellable === true);

  it.each(cancellable)('$name ends at once, without time going on', async ({ name, heartbeat }) => {
    const { test, client } = await hosting();
    await using _ = test;
    const args = TO_BE_CANCELLED.get(name) ?? {};
    const job = await client.invoke(name, args);
    const events = eventsOf(job, heartbeat);
    await test.clock.settle();
    await job.cancel();
    expect((await events).at(-1)).toMatchObject({ type: 'job.cancelled' });
  });
});

describe('the conformance agents', () => {
  it('are those of the description and no others', () => {
    const described = fixtureCases<AgentCase>('agents.json').flatMap(({ name, versions }) =>
      versions.map((version) => `${name}@${version}`),
    );
    const hosted = conformanceAgents().map(({ name, version }) => `${name}@${version}`);
    expect(hosted.toSorted()).toEqual(described.toSorted());
  });
});

describe('the random bytes of binary-report', () => {
  const text = readFileSync(new URL('agents.json', FIXTURES_ROOT), 'utf8');
  const { vectors } = (JSON.parse(text) as { random_bytes: { vectors: readonly Vector[] } }).random_bytes;

  it.each(vectors)(
    'are the $bytes bytes of the description for seed $seed',
    async ({ seed, bytes, hex, sha256 }) => {
      const made = new RandomBytes(seed).take(bytes);
      const digest = Buffer.from(await crypto.subtle.digest('SHA-256', Uint8Array.from(made)));
      expect(digest.toString('hex')).toBe(sha256);
      if (hex !== undefined) expect(Buffer.from(made).toString('hex')).toBe(hex);
    },
  );

  it('are the same however they are cut', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.array(fc.nat(50)), (seed, cuts) => {
        const source = new RandomBytes(seed);
        const pieces = Buffer.concat(cuts.map((length) => source.take(length)));
        expect(pieces.equals(new RandomBytes(seed).take(pieces.length))).toBe(true);
      }),
    );
  });
});
