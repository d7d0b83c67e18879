/**
 * One process that works for jobs: started in a folder of its own, with an environment of its own and in a group of its
 * own, and ended as a whole.
 *
 * (K1) It has nothing of this process's environment but `PATH` and the locale, and what the operator names. `HOME` and
 *      `TMPDIR` are its own folder, which is removed when it has ended.
 * (K2) To stop it its group is sent TERM, and KILL `KILL_AFTER_MS` later. Within walls all that it started ends with it,
 *      whatever group or session that is in; without walls what left its group is beyond reach.
 * (K3) Its end is told once, and once everything that it had written was read; but no longer than `DRAIN_MS` after it has
 *      exited, since others may hold its output open.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Clock, Timer } from '../../clock.js';
import { locate, SYSTEM_PATH, type LocatedCommand } from './command.js';
import type { Confinement } from './confinement.js';
import { enclose, FILTER_FD, release, STATUS_FD, type Launch } from './enclose.js';
import { PrintedLines } from './printed-lines.js';
import type { ProcessEnd } from './process-end.js';

/** From the request to stop until it is killed; well inside the default cancel deadline. */
export const KILL_AFTER_MS = 2_000;
/** From its exit until what it wrote is read no more. */
const DRAIN_MS = 500;
/** How often it is given as long again, since more was read. */
const DRAIN_ROUNDS = 20;

const INHERITED = ['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ'];

export interface ProcessOptions {
  /** The program and its words. */
  readonly command: readonly string[];
  /** What files in the command are named from. */
  readonly base: string;
  /** Beside what every process has (K1). */
  readonly env: Readonly<Record<string, string>>;
  /** Files and folders that it may read within walls, beside what a job's lease opens. */
  readonly reads: readonly string[];
  /** Files and folders that it may write within walls; nobody else can put a link in their place. Default none. */
  readonly writes?: readonly string[];
  /** Where it starts. Default: its own folder. Words of its command stay as they are then, since they fit there. */
  readonly cwd?: string;
  /** Milliseconds from the request to stop until it is killed. Default `KILL_AFTER_MS`. */
  readonly killAfterMs?: number;
  readonly clock: Clock;
}

/**
 * Starts a process. Rejects with FAILED_PRECONDITION where there is no such program, or where it cannot be kept from what
 * it has to be kept from.
 * @param print is called with each line that it prints beside the conversation
 */
export async function startProcess(
  options: ProcessOptions,
  confinement: Confinement,
  print: (line: string) => void,
): Promise<AgentProcess> {
  const command = await located(options);
  const folder = await mkdtemp(join(tmpdir(), 'arcp-agent-'));
  try {
    const { writes = [], cwd = folder } = options;
    const launch = await enclose(confinement, command, options.reads, folder, { writes, cwd });
    try {
      return new AgentProcess(launch, folder, options, print);
    } finally {
      await release(launch);
    }
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}

async function located({ command, base, cwd }: ProcessOptions): Promise<LocatedCommand> {
  const path = process.env['PATH'] ?? '';
  if (cwd === undefined) return locate(command, base, path);
  return { ...(await locate(command.slice(0, 1), cwd, path)), words: command.slice(1) };
}

/** What it leaves in its folder may be in the way of removing it; that is the folder of temporary files' to outlive. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 2 }).catch(() => undefined);
}

/** A pipe of a child is a socket, which counts what was read of it. */
type Counted = Readable & { readonly bytesRead: number };

export class AgentProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly printed: PrintedLines;
  /** How it ended (K3). Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Resolves when its folder is gone. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #killAfterMs: number;
  readonly #status: WallStatus | undefined;
  #kill: Timer | undefined;
  #hasExited = false;

  constructor(launch: Launch, folder: string, options: ProcessOptions, print: (line: string) => void) {
    const { program, words, walled } = launch;
    const { env, clock, cwd = folder, killAfterMs = KILL_AFTER_MS } = options;
    this.#clock = clock;
    this.#killAfterMs = killAfterMs;
    this.printed = new PrintedLines(clock, print);
    const child = spawn(program, words, {
      cwd,
      env: { ...environment(walled !== undefined), HOME: folder, TMPDIR: folder, ...env },
      shell: false,
      // The order is that of FILTER_FD, STATUS_FD and FIRST_PLACE_FD.
      stdio: [
        'pipe',
        'pipe',
        'pipe',
        ...(walled === undefined
          ? []
          : ['pipe' as const, 'pipe' as const, ...walled.places.map(({ fd }) => fd)]),
      ],
      detached: true,
      windowsHide: true,
    });
    this.#child = child;
    const [stdin, stdout, stderr] = child.stdio;
    if (stdin === null || stdout === null || stderr === null) throw new Error('a child without pipes');
    this.stdin = stdin;
    this.stdout = stdout;
    // A process that reads nothing any more is noticed by its end.
    stdin.on('error', () => undefined);
    stderr.on('data', (piece: Buffer) => {
      this.printed.push(piece);
    });
    if (walled !== undefined) {
      const filter = child.stdio[FILTER_FD] as Writable;
      filter.on('error', () => undefined).end(walled.filter);
      this.#status = new WallStatus(child.stdio[STATUS_FD] as Readable);
    }
    this.ended = this.#end(stdout as Counted, stderr);
    this.gone = this.ended.then(() => removeFolder(folder));
  }

  /** Of it, or of the walls around it. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return !this.#hasExited;
  }

  /** Asks it to end, and sees to it (K2). */
  stop(): void {
    if (this.#hasExited || this.#kill !== undefined) return;
    this.#signal('SIGTERM');
    this.#kill = this.#clock.timer(this.#killAfterMs, () => {
      this.#signal('SIGKILL');
    });
  }

  /** Ends it at once. */
  kill(): void {
    if (!this.#hasExited) this.#signal('SIGKILL');
  }

  #end(stdout: Counted, stderr: Readable): Promise<ProcessEnd> {
    const child = this.#child;
    return new Promise((resolve) => {
      let end: ProcessEnd = { kind: 'unstarted', reason: '' };
      let drain: Timer | undefined;
      const exited = (): void => {
        this.#kill?.cancel();
        // What it left behind in its group goes with it.
        this.#signal('SIGKILL');
        this.#hasExited = true;
      };
      child.once('error', (error: NodeJS.ErrnoException) => {
        end = { kind: 'unstarted', reason: error.code ?? error.message };
        if (child.pid !== undefined) return;
        exited();
        resolve(end);
      });
      child.once('exit', (code, signal) => {
        exited();
        end = code === null ? { kind: 'killed', signal: signal ?? 'a signal' } : { kind: 'exited', code };
        drain = this.#drain(stdout, stderr);
      });
      child.once('close', () => {
        drain?.cancel();
        this.printed.flush();
        resolve(this.#status?.refine(end, this.printed.last) ?? end);
      });
    });
  }

  /** (K3) As long as it is being read it is waited for: what it wrote is no more than its pipe holds. */
  #drain(stdout: Counted, stderr: Readable, read = stdout.bytesRead, rounds = DRAIN_ROUNDS): Timer {
    const timers: { current?: Timer } = {};
    const arm = (): void => {
      timers.current = this.#clock.timer(DRAIN_MS, () => {
        const isBeingRead = stdout.isPaused() || stdout.bytesRead > read;
        read = stdout.bytesRead;
        rounds -= 1;
        if (isBeingRead && rounds > 0) {
          arm();
          return;
        }
        stdout.destroy();
        stderr.destroy();
      });
    };
    arm();
    return { cancel: () => timers.current?.cancel() };
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    const inner = this.#status?.pid;
    // Within walls it is in a session of its own, and its walls would fall before it had time to end.
    if (inner !== undefined && !this.#hasExited) signalGroup(inner, signal);
    if (pid !== undefined && (inner === undefined || signal === 'SIGKILL')) signalGroup(pid, signal);
  }
}

/** What `bwrap` says of the process that it put walls around: `--json-status-fd`. */
class WallStatus {
  pid: number | undefined;
  #hasRun = false;
  #text = '';

  constructor(status: Readable) {
    status.on('error', () => undefined);
    status.on('data', (piece: Buffer) => {
      if (this.#text.length > 1_024) return;
      this.#text += piece.toString();
      const pid = /"child-pid"\s*:\s*(\d+)/.exec(this.#text)?.[1];
      if (pid !== undefined) this.pid = Number(pid);
      if (this.#text.includes('"exit-code"')) this.#hasRun = true;
    });
  }

  /** Where `bwrap` exits without having run the program, it says why; of a signal it makes an exit code. */
  refine(end: ProcessEnd, last: string): ProcessEnd {
    if (end.kind !== 'exited') return end;
    if (!this.#hasRun) return { kind: 'unstarted', reason: last };
    return end.code > 128 ? { kind: 'killed', signal: `signal ${end.code - 128}` } : end;
  }
}

function environment(isWalled: boolean): Record<string, string> {
  const path = process.env['PATH'] ?? '';
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { PATH: isWalled || path === '' ? SYSTEM_PATH : path, ...Object.fromEntries(inherited) };
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch {
    // The group is gone.
  }
}
