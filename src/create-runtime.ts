/** Puts a runtime together from its parts. */
import type { Agent } from './agents/agent.js';
import type { Tool } from './agents/define-tool.js';
import { executeAgent } from './agents/execute.js';
import { serve } from './dialects/serve.js';
import { handoffCarrier, type HandoffRuntime } from './handoff/dial.js';
import type { Inventory } from './protocol/inventory.js';
import type { TrustLevel } from './protocol/trust-level.js';
import type { Authenticator } from './runtime/authenticator.js';
import type { ConnectionOwner } from './runtime/connection-owner.js';
import { systemClock, type Clock } from './clock.js';
import { Engine } from './runtime/engine.js';
import { randomId, type NewId } from './runtime/ids.js';
import type { CredentialProvisioner } from './runtime/credentials/provisioner.js';
import type { Recovery } from './runtime/recovery.js';
import { recheckAll } from './runtime/standing.js';
import { handoffAgent } from './runtime/handoff/handoff-agent.js';
import { limitsWith, type Limits } from './runtime/limits.js';
import { boundedLogger, silentLogger, type Logger } from './runtime/logger.js';
import type { Models } from './runtime/model-route.js';
import { observeJob, type ObservedEvent } from './runtime/observe-job.js';
import { newPrivateKey, RuntimeKey } from './runtime/runtime-key.js';
import { memoryStore } from './store/memory.js';
import type { Store } from './store/store.js';
import { CLOSE_CODES, type Transport } from './transport/transport.js';
import { VERSION } from './version.js';

export type Unleased = 'everything' | 'nothing';

export interface RuntimeOptions {
  readonly agents?: readonly Agent[];
  /** Where the logs are kept. Default `memoryStore()`; the runtime closes it. */
  readonly store?: Store;
  /** Who may open a session. Default nobody: `bearerTokens(…)` and `anonymous()` let somebody in. */
  readonly authenticators?: readonly Authenticator[];
  /** Limits other than their defaults, see `LIMITS`. */
  readonly limits?: Partial<Limits>;
  /** Default: silent. A pino logger fits. */
  readonly logger?: Logger;
  /** What follows when a job falls silent: it fails with HEARTBEAT_LOST, or is blocked until its next heartbeat. Default `fail`. */
  readonly heartbeatRecovery?: 'fail' | 'block';
  /** How far principals are trusted of whom their authenticator does not say; see `TRUST`. Default `trusted`. */
  readonly trust?: TrustLevel;
  /** What agents may call by `ctx.tools.call`. */
  readonly tools?: readonly Tool[];
  /** What `ctx.model.use` knows of models. */
  readonly models?: Models;
  /**
   * What jobs may do under capabilities that their lease does not name, or without a lease: what may do `everything` is
   * bounded by its worker profile only. Default: agents in this process `everything`, agents elsewhere `nothing`.
   */
  readonly unleased?: { readonly inProcess?: Unleased; readonly remote?: Unleased };
  /**
   * What becomes of an act that the lease of a job does not cover, where neither its request nor its agent says:
   * `refuse`, the default, or `ask`, which asks its owner and blocks the job meanwhile.
   */
  readonly uncoveredActs?: 'refuse' | 'ask';
  /** What the runtime says it is. Default this package and its version. */
  readonly identity?: { readonly kind: string; readonly version: string };
  /** Gives each job that asks for it, by its lease, a credential of its own. Default none. */
  readonly credentials?: CredentialProvisioner;
  /** The runtimes that jobs may be handed over to (`ctx.handoff`, `agent.handoff`), and no others. Default none. */
  readonly handoff?: readonly HandoffRuntime[];
  /**
   * Whose sessions may host agents (`arcp-runtime/host`): principals, or a test of one. They see what their jobs are given.
   * Default nobody's.
   */
  readonly hosts?: readonly string[] | ((principal: string) => boolean);
  /** For tests and simulations. */
  readonly clock?: Clock;
  /** For tests and simulations. */
  readonly newId?: NewId;
}

/** A runtime that hosts agents. Reach it with `listen`, or hand it connections of your own with `accept`. */
export interface Runtime {
  /** Hosts one more agent. Throws ALREADY_EXISTS for a `name@version` that is hosted already. */
  register(agent: Agent): void;
  /** Hosts it no more; its jobs go on. */
  unregister(agent: Agent): void;
  /** What is advertised to clients. */
  inventory(): Inventory;
  /**
   * With a durable store: takes up the sessions and jobs of an earlier life. Register the agents first. `listen` does it;
   * before, connections are turned away. Calling it again gives the same answer.
   */
  recover(): Promise<Recovery>;
  /** Serves one connection until it ends: a stranger's, or one whose other end the caller knows. */
  accept(transport: Transport, from?: { readonly address?: string; readonly owner?: ConnectionOwner }): void;
  /** Whether new work is taken. */
  readonly ready: boolean;
  /**
   * By which clients know it for certain (`connect({ expectFingerprint })`): that of a key in the data folder, or, where the
   * store keeps none, of one that lasts as long as the process.
   */
  readonly fingerprint: string;
  readonly limits: Limits;
  readonly logger: Logger;
  /** What lets clients in has changed: sessions whose credential counts no more are told, or ended. */
  recheck(): void;
  /**
   * Tells of each event of a job that is committed from now on, in order, until the job has ended or what this returns is
   * called. Throws NOT_FOUND for a job that is not kept here.
   */
  observe(jobId: string, told: (event: ObservedEvent) => void): () => void;
  /** Takes nothing new, gives running jobs `ms` to end, stops the rest with ABORTED, and closes. */
  drain(ms: number): Promise<void>;
  /** Closes at once. */
  close(): Promise<void>;
}

/**
 * Makes a runtime.
 *
 * @example
 * ```ts
 * const runtime = createRuntime({ agents: [greeter], authenticators: [bearerTokens([['s3cret', 'me']])] });
 * const server = await listen(runtime, { port: 7777 });
 * ```
 */
export function createRuntime(options: RuntimeOptions = {}): Runtime {
  const logger = boundedLogger(options.logger ?? silentLogger);
  const limits = limitsWith(options.limits);
  const { handoff = [] } = options;
  const clock = options.clock ?? systemClock;
  const store = options.store ?? memoryStore();
  const key = new RuntimeKey(store.key?.(newPrivateKey) ?? newPrivateKey());
  const engine = new Engine({
    store,
    clock,
    newId: options.newId ?? randomId,
    limits,
    logger,
    authenticators: options.authenticators ?? [],
    identity: {
      kind: 'arcp-runtime',
      version: VERSION,
      trust_level: 'trusted',
      ...options.identity,
      fingerprint: key.fingerprint,
    },
    key,
    heartbeatRecovery: options.heartbeatRecovery ?? 'fail',
    trust: options.trust ?? 'trusted',
    execute: (agent, input, ctx, waits) => executeAgent(agent, input, ctx, waits, { limits, clock }),
    credentials: options.credentials,
    models: options.models ?? {},
    carrier: handoff.length === 0 ? undefined : handoffCarrier(handoff),
    uncoveredActs: options.uncoveredActs ?? 'refuse',
    mayHost: mayHostOf(options.hosts ?? []),
    unnamed: {
      inProcess: options.unleased?.inProcess === 'nothing' ? 'refuse' : 'allow',
      remote: options.unleased?.remote === 'everything' ? 'allow' : 'refuse',
    },
  });
  const agents = new Set<Agent>();
  const register = (agent: Agent): void => {
    engine.registry.register(agent);
    agents.add(agent);
  };
  const closeAgents = async (): Promise<void> => {
    await Promise.all([...agents].map(async (agent) => agent.process?.close()));
  };
  for (const agent of options.agents ?? []) register(agent);
  if (handoff.length > 0) engine.registry.register(handoffAgent);
  for (const tool of options.tools ?? []) engine.tools.register(tool);
  return {
    register,
    unregister: (agent) => {
      agents.delete(agent);
      engine.registry.unregister(agent);
    },
    inventory: () => engine.registry.inventory(),
    recover: () => engine.recover(),
    accept: (transport, from) => {
      if (engine.isRecovering) transport.close(CLOSE_CODES.tryAgainLater, 'the runtime is starting');
      else serve(engine, transport, from);
    },
    get ready() {
      return engine.ready;
    },
    fingerprint: key.fingerprint,
    limits,
    logger,
    recheck: () => {
      recheckAll(engine);
    },
    observe: (jobId, told) => observeJob(engine, jobId, told),
    drain: async (ms) => {
      await engine.drain(ms);
      await closeAgents();
    },
    close: async () => {
      await engine.close();
      await closeAgents();
    },
  };
}

function mayHostOf(hosts: NonNullable<RuntimeOptions['hosts']>): (principal: string) => boolean {
  if (typeof hosts === 'function') return hosts;
  const principals = new Set(hosts);
  return (principal) => principals.has(principal);
}
