/** Has a runtime run fleets: hosts `fleet.run` and the agents that it needs. */
import { realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
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
import { localPool } from './fleet/manager/worker-pool.js';
import { evaluateInThread, type Evaluate } from './fleet/scoring/evaluate.js';
import type { AttachPipes } from './fleet/hosts/worker-link.js';
import { evidenceFolder } from './fleet/scoring/evidence.js';
import { SecretResolver } from './fleet/secrets/resolve.js';
import { Redactor } from './fleet/secrets/secret.js';
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
  /** Where secrets for alerts lie as files. Default: `secrets` in `folder`. */
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

/**
 * Registers the agents `fleet.run`, `fleet.control`, `fleet.show`, `fleet.verdict` and `command`. Call it before `recover` and `listen`.
 *
 * Whoever may start jobs in this runtime can run commands on this machine then.
 */
export async function hostFleet(runtime: Runtime, options: FleetOptions): Promise<{ close(): void }> {
  const { store, clock = systemClock, random = Math.random, env = process.env } = options;
  const folder = resolve(options.folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const evidence = evidenceFolder(join(folder, 'evidence'));
  const redactor = new Redactor();
  const secrets = new SecretResolver({
    allowed: 'all',
    env,
    folder: options.secrets ?? join(folder, 'secrets'),
    redactor,
  });
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
  const live = new LiveRuns();
  runtime.register(commandAgent({ clock, env, evidence }));
  runtime.register(verdictAgent);
  runtime.register(
    runAgent({
      clock,
      random,
      store,
      observe: (jobId, told) => runtime.observe(jobId, told),
      folder: realpathSync(folder),
      base: realpathSync(resolve(options.base ?? '.')),
      env,
      evaluate: options.evaluate ?? evaluateInThread(DEFAULT_FLEET_LIMITS.maxEvaluationMs, clock),
      evidence,
      alerts,
      pool: localPool,
      live,
    }),
  );
  runtime.register(controlAgent({ store, live }));
  runtime.register(showAgent({ store, live }));
  return {
    close: () => {
      alerts.close();
    },
  };
}
