/**
 * Acts that are done where the agent is, on its own machine: files and programs. Each is asked for over the wire first
 * (`permission.request` with `check_only`); what a pattern matches as a whole is judged by the lease as the job began.
 */
import type { GuardedFiles, LeaseView, ShellOptions, ShellResult } from '../agents/agent.js';
import { guardedFiles } from '../agents/guarded/files.js';
import { leasePath, realTarget } from '../agents/guarded/real-path.js';
import { guardedShell, type ShellAuthority } from '../agents/guarded/shell.js';
import { Reach } from '../agents/process/confinement.js';
import type { MirroredJob } from '../agents/worker-messages.js';
import type { Clock } from '../clock.js';
import { ArcpError } from '../protocol/errors.js';
import { isCoreCapability, targetKind } from '../protocol/lease-capability.js';

type Ask = (capability: string, target: string) => Promise<string>;
type FileCall = (...args: readonly never[]) => Promise<unknown>;

export class LocalActs {
  readonly #ask: Ask;
  readonly #files: GuardedFiles;
  readonly #shell: ShellAuthority;

  constructor(job: MirroredJob, signal: AbortSignal, clock: Clock, ask: Ask) {
    this.#ask = ask;
    this.#files = guardedFiles((access, path) => ask(access, path));
    this.#shell = {
      policy: job.profile.shell,
      signal,
      clock,
      ask: async (capability, target) => {
        await ask(capability, target);
      },
      askAll: (capability, pattern) => askAll(job.lease, capability, pattern),
    };
  }

  /** Of a path, links on this machine are followed first. */
  async authorize(capability: string, target: string): Promise<string> {
    const isPath = targetKind(capability) === 'path' && target !== '' && !target.includes('\0');
    return this.#ask(capability, isPath ? leasePath(await realTarget(target)) : target);
  }

  onFiles(method: keyof GuardedFiles, args: readonly unknown[]): Promise<unknown> {
    const files: Readonly<Record<keyof GuardedFiles, FileCall>> = this.#files;
    return files[method](...(args as readonly never[]));
  }

  shell(argv: readonly string[], options?: ShellOptions): Promise<ShellResult> {
    return guardedShell(this.#shell, argv, options);
  }
}

function askAll(
  lease: Pick<LeaseView, 'capabilities' | 'closed'>,
  capability: string,
  pattern: string,
): Promise<void> {
  if (isCoreCapability(capability) && new Reach(lease, capability).coversAll(pattern))
    return Promise.resolve();
  const message = `${capability} of ${pattern}: the lease of the job does not cover all of it`;
  return Promise.reject(
    new ArcpError('PERMISSION_DENIED', message, { details: { capability, target: pattern } }),
  );
}
