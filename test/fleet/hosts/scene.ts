/** Workers of a run on a real runtime: the run is a job that does on its workers what it is asked to. */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Client } from '../../../src/client/index.js';
import { systemClock } from '../../../src/clock.js';
import { Redactor } from '../../../src/fleet/secrets/secret.js';
import { WorkerHosts, type HostedRun, type RunWorkers } from '../../../src/fleet/hosts/worker-hosts.js';
import type { WorkerChange } from '../../../src/fleet/hosts/worker-link.js';
import { attachPipes } from '../../../src/host-fleet.js';
import {
  bearerTokens,
  createRuntime,
  defineAgent,
  type ChildOutcome,
  type Runtime,
} from '../../../src/index.js';
import { fleetSecurityPolicy, type FleetSecurityPolicy } from '../../../src/protocol/fleet/trust.js';
import type { FleetWorkerSpec } from '../../../src/protocol/fleet/index.js';
import type { LogFields } from '../../../src/runtime/logger.js';
import { memoryPair } from '../../../src/transport/memory.js';
import { ARCP } from '../../cli/arcp.js';

export interface Work {
  readonly worker: FleetWorkerSpec;
  readonly agent?: string;
  readonly command: readonly string[];
  readonly lease?: Readonly<Record<string, unknown>>;
  /** Of the task's environment. */
  readonly allowlist?: readonly string[];
}

export interface Told {
  readonly type: string;
  readonly payload: unknown;
}

export interface Scene {
  readonly root: string;
  readonly client: Client;
  readonly runtime: Runtime;
  readonly hosts: WorkerHosts;
  /** What the work told. */
  readonly told: readonly Told[];
  /** Everything that was logged. */
  readonly logged: () => string;
  readonly changes: readonly (WorkerChange & { readonly worker: string })[];
  /** A run that is one job; what it is asked to do is done one after the other. */
  run(about: Omit<HostedRun, 'id' | 'tasks'> & { readonly tasks?: HostedRun['tasks'] }): Promise<Run>;
  close(): Promise<void>;
}

export interface Run {
  readonly id: string;
  readonly workers: RunWorkers;
  work(work: Work): Promise<ChildOutcome>;
  end(): Promise<void>;
}

/** What may be done without walls, on any machine. */
export const EVERYTHING = {
  'fs.read': ['/**'],
  'fs.write': ['/**'],
  'net.fetch': ['**'],
  'x-vendor.arcp.secret': ['**'],
};

interface RunPort {
  readonly jobId: string;
  readonly delegate: (agent: string, work: Work) => Promise<ChildOutcome>;
  readonly end: () => void;
}

export async function scene(env: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-hosts-')));
  mkdirSync(join(root, 'work'));
  mkdirSync(join(root, 'secrets'), { mode: 0o700 });
  // The program on the other side of ssh.
  const arcp = join(root, 'arcp');
  writeFileSync(arcp, `#!/bin/sh\nexec '${process.execPath}' '${ARCP}' "$@"\n`);
  chmodSync(arcp, 0o755);
  let logged = '';
  const log = (fields: LogFields, message: string): void => {
    logged += `${JSON.stringify(fields)} ${message}\n`;
  };
  let begun: (port: RunPort) => void = () => undefined;
  let works = 0;
  const told: Told[] = [];
  const run = defineAgent({
    name: 'run',
    version: '1.0.0',
    run: (_input, ctx) =>
      new Promise<string>((resolve) => {
        begun({
          jobId: ctx.jobId,
          end: () => {
            resolve('ended');
          },
          delegate: async (agent, { command, worker, lease = EVERYTHING, allowlist = [] }) => {
            works += 1;
            const folder = join(root, 'own', String(works));
            mkdirSync(folder, { recursive: true });
            const child = await ctx.delegate(agent, {
              task: 'work',
              arguments: {
                id: `t${works}`,
                name: 'Work',
                instructions: 'work',
                metadata: { command },
                workspace: { environment: { allowlist } },
                fleet: {
                  run_id: ctx.jobId,
                  worker_id: worker.id,
                  attempt: 1,
                  workspace: join(root, 'work'),
                  folder,
                },
              },
              leaseRequest: lease,
            });
            runtime.observe(child.jobId, ({ type, payload }) => told.push({ type, payload }));
            return await child.outcome;
          },
        });
      }),
  });
  const runtime = createRuntime({
    agents: [run],
    authenticators: [bearerTokens([['ada', 'ada']])],
    logger: { debug: log, info: log, warn: log, error: log },
  });
  const client = await connect('memory:', {
    token: 'ada',
    dial: () => {
      const [ours, theirs] = memoryPair({ maxFrameBytes: runtime.limits.maxFrameBytes });
      runtime.accept(ours);
      return Promise.resolve(theirs);
    },
  });
  const { PATH = '' } = process.env;
  const hosts = new WorkerHosts({
    clock: systemClock,
    command: [process.execPath, ARCP, 'worker', '--commands'],
    folder: join(root, 'hosts'),
    base: join(root, 'work'),
    evidence: join(root, 'evidence'),
    env: { PATH, ...env },
    secrets: join(root, 'secrets'),
    redactor: new Redactor(),
    attach: attachPipes(runtime),
    logger: runtime.logger,
  });
  const changes: (WorkerChange & { readonly worker: string })[] = [];
  return {
    root,
    client,
    told,
    runtime,
    hosts,
    changes,
    logged: () => logged,
    async run(about) {
      const port = new Promise<RunPort>((resolve) => (begun = resolve));
      const job = await client.invoke('run');
      const { jobId, delegate, end } = await port;
      const workers = hosts.begin({
        tasks: [],
        changed: (worker, change) => changes.push({ worker, ...change }),
        ...about,
        id: jobId,
      });
      return {
        id: jobId,
        workers,
        work: async (work) =>
          await delegate(await workers.agentOn(work.worker, work.agent ?? 'command'), work),
        end: async () => {
          await workers.close();
          end();
          await job.result();
        },
      };
    },
    async close() {
      await hosts.close();
      await client.close();
      await runtime.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export const localWorker = (more: Partial<FleetWorkerSpec> = {}): FleetWorkerSpec => ({
  id: 'w1',
  name: 'Worker 1',
  host: { kind: 'local' },
  labels: {},
  capabilities: [],
  trust_level: 'operator',
  ...more,
});

/** Trusts everybody with everything, and with these secrets. */
export function trusting(...secrets: readonly string[]): FleetSecurityPolicy {
  return fleetSecurityPolicy.parse({ default_trust_level: 'operator', allowed_secrets: secrets });
}
