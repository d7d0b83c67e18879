/**
 * The workers of runs, on the hosts that their specs name: local processes, `ssh`, containers.
 *
 * (H1) What a worker is handed is looked up when it starts, and not before: secrets that the policy allows and that its
 *      trust or a grant gives it, its token, the variables that tasks may be given.
 * (H2) A worker that does not prove who it is, where it has to, is not started.
 */
import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import {
  DEFAULT_SECURITY_POLICY,
  type FleetSecretRef,
  type FleetSecurityPolicy,
  type FleetTaskSpec,
  type FleetWorkerSpec,
} from '../../protocol/fleet/index.js';
import type { Logger } from '../../runtime/logger.js';
import type { Keyring } from '../secrets/keyring.js';
import { SecretResolver } from '../secrets/resolve.js';
import type { Redactor } from '../secrets/secret.js';
import { dockerLaunch, ENGINE_VARIABLES, findEngine } from './docker.js';
import type { Handover } from './handover.js';
import { mayHave } from './identity.js';
import { bareEnvironment, workerWords, type Launch } from './launch.js';
import { pinKey, sshTarget, sshWords } from './ssh.js';
import { WorkerLink, type AttachPipes, type WorkerChange } from './worker-link.js';

export interface WorkerHostsOptions {
  readonly clock: Clock;
  /** The command of workers on this machine: a program and its words, which offers what they are to do. */
  readonly command: readonly string[];
  /** The agents that this command offers, where that is known: it is not started for others. */
  readonly offers?: readonly string[] | undefined;
  /** For files that clients of hosts need; absolute. */
  readonly folder: string;
  /** What relative names of files in specs are meant from; absolute. */
  readonly base: string;
  /** Where the evidence of local workers is kept; absolute. */
  readonly evidence: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where secrets lie as files. */
  readonly secrets: string;
  readonly keyring?: Keyring | undefined;
  readonly redactor: Redactor;
  readonly attach: AttachPipes;
  readonly logger: Logger;
}

/** A run, as far as its workers are concerned. */
export interface HostedRun {
  readonly id: string;
  readonly workers: readonly FleetWorkerSpec[];
  readonly tasks: readonly FleetTaskSpec[];
  readonly policy: FleetSecurityPolicy | undefined;
  readonly changed?: (worker: string, change: WorkerChange) => void;
}

export class WorkerHosts {
  readonly #options: WorkerHostsOptions;
  readonly #runs = new Set<RunWorkers>();

  constructor(options: WorkerHostsOptions) {
    this.#options = options;
  }

  /** The workers of a run. None is started yet. */
  begin(run: HostedRun): RunWorkers {
    const workers = new RunWorkers(run, this.#options, () => this.#runs.delete(workers));
    this.#runs.add(workers);
    return workers;
  }

  /** Ends those of every run. */
  async close(): Promise<void> {
    await Promise.all([...this.#runs].map((run) => run.close()));
  }
}

export class RunWorkers {
  readonly #run: HostedRun;
  readonly #options: WorkerHostsOptions;
  readonly #links = new Map<string, WorkerLink>();
  readonly #onClosed: () => void;

  constructor(run: HostedRun, options: WorkerHostsOptions, onClosed: () => void) {
    this.#run = run;
    this.#options = options;
    this.#onClosed = onClosed;
    for (const worker of run.workers) this.#links.set(worker.id, this.#linkTo(worker));
  }

  /**
   * The agent of this runtime that does on the worker what `agent` (`name` or `name@version`) does; starts the worker where
   * it does not run. An agent that a local worker does not have is this runtime's own.
   * @throws ArcpError UNAVAILABLE where it does not come up, PERMISSION_DENIED where it does not prove who it is,
   *   AGENT_NOT_AVAILABLE where it is elsewhere and has no such agent.
   */
  async agentOn(worker: FleetWorkerSpec, agent: string): Promise<string> {
    const link = this.#links.get(worker.id);
    if (link === undefined) throw new ArcpError('NOT_FOUND', `the run has no worker ${worker.id}`);
    if (worker.host.kind === 'local' && !this.#mayOffer(agent)) return agent;
    const hosted = await link.hosted();
    const there = `${this.#scopeOf(worker)}${agent}`;
    if (hosted.some((ref) => ref === there || ref.startsWith(`${there}@`))) return there;
    if (worker.host.kind === 'local') return agent;
    throw new ArcpError('AGENT_NOT_AVAILABLE', `worker ${worker.id} has no agent ${agent}`);
  }

  #mayOffer(agent: string): boolean {
    const { offers } = this.#options;
    return offers === undefined || offers.includes(agent.split('@')[0] ?? agent);
  }

  /** It has given no sign of life: it is ended, and started again when it is next needed. */
  stale(worker: string): void {
    this.#links.get(worker)?.restart('it gave no sign of life');
  }

  /** The process that a worker is here, if it runs. */
  pidOf(worker: string): number | undefined {
    return this.#links.get(worker)?.pid;
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.stop()));
    this.#onClosed();
  }

  /** The same in every life of the runtime, and nobody else's. */
  #scopeOf({ id }: FleetWorkerSpec): string {
    const digest = createHash('sha256')
      .update(JSON.stringify([this.#run.id, id]))
      .digest('hex');
    return `fleet-${digest.slice(0, 16)}.`;
  }

  #linkTo(worker: FleetWorkerSpec): WorkerLink {
    const { clock, attach, redactor, logger, base } = this.#options;
    const about = { run: this.#run.id, worker: worker.id };
    return new WorkerLink({
      id: worker.id,
      scope: this.#scopeOf(worker),
      principal: `fleet:${this.#run.id}:${worker.id}`,
      clock,
      cwd: base,
      newMark: randomUUID,
      attach,
      prepare: async () => ({ launch: await this.#launch(worker), handover: await this.#handover(worker) }),
      print: (line) => {
        logger.debug({ ...about, line }, 'worker');
      },
      redact: (text) => redactor.redact(text),
      changed: (change) => {
        logger.info({ ...about, ...change }, 'worker changed');
        this.#run.changed?.(worker.id, change);
      },
    });
  }

  async #launch(worker: FleetWorkerSpec): Promise<Launch> {
    const { host, max_concurrent_tasks: maxJobs = 1 } = worker;
    const { env, evidence, folder, base, command } = this.#options;
    const scope = this.#scopeOf(worker);
    switch (host.kind) {
      case 'local': {
        const [program = '', ...words] = command;
        return {
          program,
          words: [...words, ...workerWords({ scope, maxJobs, evidence })],
          env: bareEnvironment(env),
        };
      }
      case 'ssh': {
        const target = sshTarget(host, worker, base);
        // (H2)
        const pinned = await pinKey(target, join(folder, `${scope}known_hosts`));
        return {
          program: 'ssh',
          words: sshWords(target, workerWords({ scope, maxJobs }), pinned),
          env: bareEnvironment(env, ['HOME', 'SSH_AUTH_SOCK']),
        };
      }
      case 'docker': {
        const network = mayHave('network', worker, this.#policy);
        const container = {
          engine: await findEngine(env['PATH'] ?? ''),
          name: `arcp-${scope}${randomUUID().slice(0, 8)}`,
          network,
        };
        return {
          ...dockerLaunch(host, container, workerWords({ scope, maxJobs })),
          env: bareEnvironment(env, ENGINE_VARIABLES),
        };
      }
    }
  }

  /** (H1) */
  async #handover(worker: FleetWorkerSpec): Promise<Handover> {
    const { auth } = worker;
    const secrets = new Map<string, string>();
    if (mayHave('secrets', worker, this.#policy)) {
      for (const ref of this.#policy.allowed_secrets ?? [])
        secrets.set(ref.key, await this.#reveal(ref, this.#policy.allowed_secrets ?? []));
    }
    // The operator's own, and not the tasks': it needs no permission by the policy.
    const token = auth?.method === 'token' ? { token: await this.#reveal(auth.token_ref, 'all') } : {};
    return {
      run: this.#run.id,
      ...token,
      secrets: Object.fromEntries(secrets),
      env: this.#variables(worker),
    };
  }

  async #reveal(ref: FleetSecretRef, allowed: readonly FleetSecretRef[] | 'all'): Promise<string> {
    const { env, secrets: folder, keyring, redactor } = this.#options;
    const resolver = new SecretResolver({
      allowed,
      env,
      folder,
      redactor,
      ...(keyring === undefined ? {} : { keyring }),
    });
    return (await resolver.resolve(ref)).reveal();
  }

  /** Those that the tasks of the run name; to a remote host, of those the ones that its spec lets travel. */
  #variables({ host }: FleetWorkerSpec): Record<string, string> {
    const named = this.#run.tasks.flatMap(({ workspace }) => [
      ...(workspace?.environment?.required ?? []),
      ...(workspace?.environment?.allowlist ?? []),
    ]);
    const { env } = this.#options;
    const names = host.kind === 'ssh' ? (host.env_allowlist ?? []) : named;
    return Object.fromEntries(
      names.flatMap((name) => {
        const value = Object.hasOwn(env, name) ? env[name] : undefined;
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
  }

  get #policy(): FleetSecurityPolicy {
    return this.#run.policy ?? DEFAULT_SECURITY_POLICY;
  }
}
