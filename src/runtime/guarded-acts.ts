/**
 * What a job does beyond computing: each act is asked for first, and made only then (L4). Made when the agent first acts:
 * many never do.
 */
import type { GuardedFiles, JobContext, ShellOptions, ShellResult } from '../agents/agent.js';
import { guardedFetch } from '../agents/guarded/fetch.js';
import { guardedFiles } from '../agents/guarded/files.js';
import { leasePath, realTarget } from '../agents/guarded/real-path.js';
import { guardedShell } from '../agents/guarded/shell.js';
import { handled } from '../agents/handled.js';
import { targetKind } from '../protocol/lease-capability.js';
import { checkText } from './agent-output.js';
import type { EngineContext } from './engine-context.js';
import type { JobRun } from './job-run.js';
import { useModel } from './model-route.js';
import { callTool } from './tool-calls.js';
import { authorized, authorizedAll } from './uncovered-acts.js';

export class GuardedActs {
  readonly #run: JobRun;
  readonly #context: EngineContext;
  readonly #interruption: () => Promise<void> | undefined;
  readonly fs: GuardedFiles;
  readonly tools: JobContext['tools'];
  readonly model: JobContext['model'];

  /** @param interruption what acts wait for while somebody interrupts the job */
  constructor(
    run: JobRun,
    context: EngineContext,
    ctx: JobContext,
    interruption: () => Promise<void> | undefined,
  ) {
    this.#run = run;
    this.#context = context;
    this.#interruption = interruption;
    this.fs = guardedFiles((access, path) => this.#ask(access, path));
    this.tools = {
      call: (name, args) => handled(this.#uninterrupted(() => callTool(run, context, ctx, name, args))),
    };
    this.model = {
      use: (model) => handled(this.#uninterrupted(() => useModel(run, context, model))),
    };
  }

  async authorize(capability: string, target: string): Promise<string> {
    checkText('capability', capability);
    checkText(`target of ${capability}`, target);
    const isPath =
      targetKind(capability) === 'path' && target !== '' && !target.includes('\0') && !this.#run.isElsewhere;
    return this.#ask(capability, isPath ? leasePath(await realTarget(target)) : target);
  }

  fetch(input: string | URL, init?: RequestInit): Promise<Response> {
    return guardedFetch((url) => this.#ask('net.fetch', url), this.#run.signal, input, init);
  }

  shell(argv: readonly string[], options?: ShellOptions): Promise<ShellResult> {
    const run = this.#run;
    const authority = {
      policy: run.job.origin.authority.profileAt(this.#context.clock.now()).shell,
      signal: run.signal,
      clock: this.#context.clock,
      ask: async (capability: string, target: string) => {
        await authorized(run, this.#context, capability, target);
      },
      askAll: async (capability: string, pattern: string) => {
        await authorizedAll(run, this.#context, capability, pattern);
      },
    };
    return this.#uninterrupted(() => guardedShell(authority, argv, options));
  }

  #ask(capability: string, target: string): Promise<string> {
    return this.#uninterrupted(() => authorized(this.#run, this.#context, capability, target));
  }

  async #uninterrupted<T>(act: () => T | Promise<T>): Promise<T> {
    await this.#interruption();
    return act();
  }
}
