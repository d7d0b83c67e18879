/**
 * `ctx.shell`: one program with its words, as far as the profile's shell policy goes. Nothing is ever given to a shell
 * to interpret.
 *
 * (H1) `none`: nothing. `read_only`: the forms of `shell-forms.ts`, each path asked for as `fs.read`. `full`: whatever the
 *      words are; since a program can then do all that this process can, the lease has to allow `fs.read`, `fs.write` and
 *      `net.fetch` without bounds.
 * (H2) The program gets no input, none of this process's environment but what is listed here, and a group of its own, which
 *      is stopped as a whole: when the job is stopped or over, when its time is up, and when it says too much.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Clock } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import type { ShellPolicy } from '../../protocol/worker-profile.js';
import type { ShellOptions, ShellResult } from '../agent.js';
import { leasePath, realTarget } from './real-path.js';
import { readOnlyPaths, type ReadPath } from './shell-forms.js';

/** What the shell asks of the job that it runs for. */
export interface ShellAuthority {
  readonly policy: ShellPolicy;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Rejects where the act is refused. */
  ask(capability: string, target: string): Promise<void>;
  /** The same for all that a pattern matches. */
  askAll(capability: string, pattern: string): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_OUTPUT_BYTES = 1_048_576;
/** From the request to stop until the group is killed. */
const KILL_AFTER_MS = 750;

const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'SystemRoot'];
/** Where the read-only commands are looked for: nowhere that an agent may have written. */
const SYSTEM_PATH = '/usr/bin:/bin';

export async function guardedShell(
  authority: ShellAuthority,
  argv: readonly string[],
  options: ShellOptions = {},
): Promise<ShellResult> {
  const { policy, signal } = authority;
  checkWords(argv);
  signal.throwIfAborted();
  const cwd = resolve(options.cwd ?? '.');
  if (policy === 'none') refuseShell(argv);
  const env: Record<string, string> = { ...inherited(), ...options.env };
  if (policy === 'read_only') {
    if (options.env !== undefined) refuseShell(argv, 'its environment is not for the agent to set');
    await askPaths(authority, [{ path: '.', deep: false, fileOnly: false }, ...readOnlyPaths(argv)], cwd);
    env['PATH'] = SYSTEM_PATH;
  } else {
    for (const capability of ['fs.read', 'fs.write', 'net.fetch']) {
      signal.throwIfAborted();
      await authority.askAll(capability, '**');
    }
  }
  signal.throwIfAborted();
  return run(argv, cwd, env, authority, options);
}

function checkWords(argv: readonly string[]): void {
  const isWord = (word: unknown): boolean => typeof word === 'string' && !word.includes('\0');
  if (!Array.isArray(argv) || argv.length === 0 || argv[0] === '' || !argv.every(isWord))
    throw new ArcpError('INVALID_ARGUMENT', 'shell: expected a program and its words, without NUL');
}

function refuseShell(argv: readonly string[], why = 'the profile of this job has no shell'): never {
  const details = { capability: 'shell', target: argv[0] };
  throw new ArcpError('PERMISSION_DENIED', `shell ${argv[0] ?? ''}: ${why}`, { details });
}

async function askPaths(authority: ShellAuthority, paths: readonly ReadPath[], cwd: string): Promise<void> {
  for (const { path, deep, fileOnly } of paths) {
    const real = await realTarget(resolve(cwd, path));
    const target = leasePath(real);
    await authority.ask('fs.read', target);
    if (!(deep || fileOnly) || !(await isFolder(real))) continue;
    if (fileOnly)
      throw new ArcpError('PERMISSION_DENIED', `${path}: a folder is not taken here, name its files`);
    // A pattern has no way to say a star that is one.
    if (target.includes('*'))
      throw new ArcpError(
        'PERMISSION_DENIED',
        `${path}: a folder with * in its name cannot be read as a whole`,
      );
    await authority.askAll('fs.read', target === '/' ? '/**' : `${target}/**`);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

function inherited(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What one of the outputs said, up to a number of bytes. */
class Output {
  readonly #most: number;
  readonly #parts: Buffer[] = [];
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether there was room for all of it. */
  take(part: Buffer): boolean {
    const room = this.#most - this.#size;
    this.#parts.push(part.subarray(0, room));
    this.#size += Math.min(part.length, room);
    return part.length <= room;
  }

  get text(): string {
    return Buffer.concat(this.#parts).toString('utf8');
  }
}

function run(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  { signal, clock }: ShellAuthority,
  options: ShellOptions,
): Promise<ShellResult> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, maxOutputBytes = DEFAULT_OUTPUT_BYTES } = options;
  const [program = '', ...words] = argv;
  return new Promise((fulfil, reject) => {
    const child = spawn(program, words, {
      cwd,
      env,
      shell: false,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    const outputs = { stdout: new Output(maxOutputBytes), stderr: new Output(maxOutputBytes) };
    let why: unknown;
    let kill: NodeJS.Timeout | undefined;
    const stop = (reason: unknown): void => {
      if (why !== undefined) return;
      why = reason;
      signalGroup(child, 'SIGTERM');
      kill = setTimeout(() => {
        signalGroup(child, 'SIGKILL');
      }, KILL_AFTER_MS);
    };
    const abort = (): void => {
      stop(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    const timer = clock.timer(timeoutMs, () => {
      stop(new ArcpError('DEADLINE_EXCEEDED', `shell ${program}: longer than ${timeoutMs} ms`));
    });
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (part: Buffer) => {
        if (outputs[name].take(part)) return;
        const message = `shell ${program}: more than ${maxOutputBytes} bytes of ${name}`;
        stop(new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false }));
      });
    }
    const settled = (): void => {
      timer.cancel();
      clearTimeout(kill);
      signal.removeEventListener('abort', abort);
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      settled();
      const code = error.code === 'ENOENT' ? 'NOT_FOUND' : 'FAILED_PRECONDITION';
      reject(new ArcpError(code, `shell ${program}: ${error.code ?? error.message}`, { cause: error }));
    });
    // What it started and left behind in its group goes with it.
    child.on('exit', () => {
      signalGroup(child, 'SIGKILL');
    });
    child.on('close', (exitCode, exitSignal) => {
      settled();
      if (why !== undefined) reject(ArcpError.from(why));
      else fulfil({ exitCode, signal: exitSignal, stdout: outputs.stdout.text, stderr: outputs.stderr.text });
    });
  });
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The group is gone.
  }
}
