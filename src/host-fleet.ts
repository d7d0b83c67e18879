/** Has a runtime run fleets: hosts `fleet.run` and the agents that it needs. */
import { realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, type Clock } from './clock.js';
import type { Runtime } from './create-runtime.js';
import { Alerts } from './fleet/alerts/alerts.js';
import { sendAlert } from './fleet/alerts/send.js';
import { commandAgent } from './fleet/commands/command-agent.js';
import { DEFAULT_FLEET_LIMITS } from './fleet/limits.js';
import { controlAgent } from './fleet/manager/control-agent.js';
import { LiveRuns } from './fleet/manager/live-runs.js';
import { runAgent } from './fleet/manager/run-agent.js';
import { showAgent } from './fleet/manager/show-agent.js';
import { verdictAgent } from './fleet/manager/verdict-agent.js';
import { workerPool } from './fleet/manager/worker-pool.js';
import { evaluateInThread, type Evaluate } from './fleet/scoring/evaluate.js';
import { WORKER_COMMAND } from './fleet/hosts/launch.js';
import { WorkerHosts } from './fleet/hosts/worker-hosts.js';
import type { AttachPipes } from './fleet/hosts/worker-link.js';
import { evidenceFolder } from './fleet/scoring/evidence.js';
import { SecretResolver } from './fleet/secrets/resolve.js';
import { Redactor } from './fleet/secrets/secret.js';
import { COMMAND_AGENT } from './fleet/spec/task-rules.js';
import type { Store } from './store/store.js';
import { streamTransport } from './transport/stdio.js';

export interface FleetOptions {
  /** The one that the runtime was given. */
  readonly store: Store;
  /** Where tasks have folders of their own, and evidence is kept. It is made where there is none. */
  readonly folder: string;
  /** What relative workspaces of runs are meant from. Default: the folder that this process is in. */
  readonly base?: string;
  /** The variables that a task's allowlist chooses from. Default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * The command of workers on this machine: a program and its words, one that takes the options of `arcp worker --stdio`.
   * Each is asked which agents it has. Default: this package's `arcp worker --commands`, which is started for commands.
   */
  readonly workerCommand?: readonly string[];
  /** Where secrets lie as files. Default: `secrets` in `folder`. */
  readonly secrets?: string;
  /** Hosts that alerts may go to although their addresses are private. */
  readonly privateAlertHosts?: readonly string[];
  /** Certificates (PEM) of authorities that count, for alerts, instead of the system's. */
  readonly alertCa?: string;
  /** For tests and simulations. */
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly evaluate?: Evaluate;
}

/** Gives a runtime the connections that the pipes of its workers are. */
export function attachPipes(runtime: Runtime): AttachPipes {
  const { maxFrameBytes } = runtime.limits;
  return ({ readable, writable }, { token, ...session }) => {
    runtime.accept(streamTransport(readable, writable, { maxFrameBytes }), {
      address: session.principal,
      owner: {
        ...session,
        helloTimeoutMs: DEFAULT_FLEET_LIMITS.workerStartMs,
        ...(token === undefined ? {} : { token }),
      },
    });
  };
}

export interface Fleet {
  /** Ends what it has started: workers and alerts that are being delivered. */
  close(): Promise<void>;
}

/** This program, as this process runs it. */
function ownWorker(): readonly string[] {
  const main = fileURLToPath(new URL('cli/main.js', import.meta.url));
  return [process.execPath, main, ...WORKER_COMMAND.slice(1)];
}

/**
 * Registers the agents `fleet.run`, `fleet.control`, `fleet.show`, `fleet.verdict` and `command`. Call it before `recover` and `listen`.
 *
 * Whoever may start jobs in this runtime can run commands on this machine then.
 */
export async function hostFleet(runtime: Runtime, options: FleetOptions): Promise<Fleet> {
  const { store, clock = systemClock, random = Math.random, env = process.env } = options;
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const folder = realpathSync(resolve(options.folder));
  const base = realpathSync(resolve(options.base ?? '.'));
  const evidenceAt = join(folder, 'evidence');
  const evidence = evidenceFolder(evidenceAt);
  const redactor = new Redactor();
  const secretsAt = options.secrets ?? join(folder, 'secrets');
  const secrets = new SecretResolver({ allowed: 'all', env, folder: secretsAt, redactor });
  const sending = {
    allowedPrivateHosts: new Set(options.privateAlertHosts ?? []),
    ca: options.alertCa,
    resolveSecret: secrets.resolve.bind(secrets),
    now: () => clock.now(),
  };
  const alerts = new Alerts({
    store,
    clock,
    random,
    redact: (text) => redactor.redact(text),
    send: (alert, channel) => sendAlert(alert, channel, sending),
    logger: runtime.logger,
  });
  const hosts = new WorkerHosts({
    clock,
    command: options.workerCommand ?? ownWorker(),
    offers: options.workerCommand === undefined ? [COMMAND_AGENT] : undefined,
    folder: join(folder, 'hosts'),
    base,
    evidence: evidenceAt,
    env,
    secrets: secretsAt,
    redactor,
    attach: attachPipes(runtime),
    logger: runtime.logger,
  });
  const live = new LiveRuns();
  runtime.register(commandAgent({ clock, env, evidence }));
  runtime.register(verdictAgent);
  runtime.register(
    runAgent({
      clock,
      random,
      store,
      observe: (jobId, told) => runtime.observe(jobId, told),
      folder,
      base,
      env,
      evaluate: options.evaluate ?? evaluateInThread(DEFAULT_FLEET_LIMITS.maxEvaluationMs, clock),
      evidence,
      alerts,
      pool: workerPool(hosts),
      live,
    }),
  );
  runtime.register(controlAgent({ store, live }));
  runtime.register(showAgent({ store, live }));
  return {
    close: async () => {
      alerts.close();
      await hosts.close();
    },
  };
}
