/** Agents that are processes, in any language: what they are told and what they say is in `process-worker.ts`. */
import { resolve } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';
import type { WorkerProfile, WorkerRole } from '../../protocol/worker-profile.js';
import type { Agent, HostingRuntime, JobContext, ProcessHost, RecoveryPolicy } from '../agent.js';
import { defineAgent } from '../define-agent.js';
import { startProcess, type ProcessOptions } from './agent-process.js';
import { checkWords, wordsOf } from './command.js';
import { confinementOf, type Confinement } from './confinement.js';
import { ProcessWorker } from './process-worker.js';
import { WorkerPool } from './worker-pool.js';

/** How long a process may take to say its first, beside the time that any agent may be silent for. */
const START_MS = 10_000;

/** What `processAgent` takes. */
export interface ProcessAgentDefinition {
  readonly name: string;
  readonly version: string;
  readonly default?: boolean;
  readonly description?: string;
  /** The program and its words, or a line of them as `wordsOf` reads it: no shell does. */
  readonly command: string | readonly string[];
  /** Where the files are that it names. Default: the working directory. */
  readonly folder?: string;
  /** Environment variables beside `PATH`, `HOME`, `TMPDIR` and the locale. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files and folders that it may read beside the system, what its command names, and what a job's lease opens. */
  readonly reads?: readonly string[];
  /** How many processes may wait for another job of the same principal. Default 0: one process does one job. */
  readonly pool?: number;
  /** How many processes there may be at once; further jobs wait. Default 32. */
  readonly maxProcesses?: number;
  /**
   * Whether jobs without a lease may do everything that the profile has, as those of agents in this process may. Default:
   * nothing. What a job's lease bounds is enforced in either case.
   */
  readonly trusted?: boolean;
  readonly profile?: WorkerRole | Partial<WorkerProfile>;
  /** Default `manual`: it sends its own. `auto`: that it runs is sign of life enough (decision 23). */
  readonly heartbeat?: 'auto' | 'manual';
  readonly recovery?: RecoveryPolicy;
  readonly takesInput?: boolean;
  /** `workflow`: it composes others, so that `workflow.start` starts it. Default `agent`. */
  readonly kind?: 'agent' | 'workflow';
  /** What becomes of acts that it asks for and that the leases of its jobs do not cover; see `defineAgent`. */
  readonly uncoveredActs?: 'refuse' | 'ask';
}

/**
 * An agent that is a process. Throws INVALID_ARGUMENT for a definition that makes no sense; whether there is such a program
 * is known when it is first started.
 *
 * @example
 * ```ts
 * const agent = processAgent({ name: 'word-count', version: '1.0.0', command: 'python3 word_count.py' });
 * ```
 */
export function processAgent(definition: ProcessAgentDefinition): Agent {
  const { command, env = {}, pool = 0, maxProcesses = 32, trusted = false } = definition;
  const words = typeof command === 'string' ? wordsOf(command) : [...command];
  checkWords(words);
  checkCount('pool', pool, 0);
  checkCount('maxProcesses', maxProcesses, 1);
  checkEnvironment(env);
  const base = resolve(definition.folder ?? '.');
  const host = new ProcessAgentHost({
    agent: `${definition.name}@${definition.version}`,
    start: {
      command: words,
      base,
      env: { ...env },
      reads: (definition.reads ?? []).map((path) => resolve(base, path)),
    },
    pool,
    maxProcesses,
    takesInput: definition.takesInput ?? false,
  });
  const agent = defineAgent({
    ...definition,
    heartbeat: definition.heartbeat ?? 'manual',
    run: () => {
      throw new ArcpError('INTERNAL', 'an agent that is a process is run by its host');
    },
  });
  return { ...agent, remote: !trusted, process: host };
}

function checkCount(what: string, count: number, least: number): void {
  if (Number.isSafeInteger(count) && count >= least && count <= 10_000) return;
  throw new ArcpError('INVALID_ARGUMENT', `${what}: expected a whole number from ${least} to 10000`);
}

/** A value may be a secret and is not repeated. */
function checkEnvironment(env: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new ArcpError('INVALID_ARGUMENT', `env: ${JSON.stringify(name)} is no name of a variable`);
    if (typeof value !== 'string' || value.includes('\0'))
      throw new ArcpError('INVALID_ARGUMENT', `env: expected text without NUL in ${name}`);
  }
}

interface HostOptions {
  readonly agent: string;
  readonly start: Omit<ProcessOptions, 'clock'>;
  readonly pool: number;
  readonly maxProcesses: number;
  readonly takesInput: boolean;
}

class ProcessAgentHost implements ProcessHost {
  readonly #options: HostOptions;
  readonly #pool: WorkerPool;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#pool = new WorkerPool(options.maxProcesses, options.pool);
  }

  async run(input: unknown, ctx: JobContext, runtime: HostingRuntime): Promise<unknown> {
    const confinement = confinementOf(ctx.lease, ctx.profile);
    const key = JSON.stringify([ctx.principal, confinement]);
    let worker = await this.#pool.enter(key, ctx.signal, runtime.waits);
    try {
      worker ??= await this.#start(confinement, runtime);
      return await worker.work(input, ctx);
    } finally {
      this.#pool.leave(key, worker, runtime.clock);
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** While it starts, its silence is no reason to take it for lost: `START_MS` at most. */
  async #start(confinement: Confinement, { limits, clock, waits }: HostingRuntime): Promise<ProcessWorker> {
    const { agent, start, pool, takesInput } = this.#options;
    waits(true);
    const patience = clock.timer(START_MS, () => {
      waits(false);
    });
    const woke = (): void => {
      patience.cancel();
      waits(false);
    };
    try {
      const process = await startProcess({ ...start, clock }, confinement, (line) => {
        worker.print(line);
      });
      const serves = pool > 0 ? 'many' : 'one';
      const worker = new ProcessWorker(process, { agent, limits, clock, serves, takesInput, woke });
      this.#pool.add(worker);
      return worker;
    } catch (error) {
      woke();
      throw error;
    }
  }
}
