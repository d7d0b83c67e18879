/**
 * The process that a worker is here: the worker itself, or the client of the host that it runs on.
 *
 * (P1) It is in a group of its own and has the environment that it is given, nothing of ours.
 * (P2) To stop it its group is sent TERM, and KILL `KILL_AFTER_MS` later (fleet.md, hosts); what it leaves is ended too.
 * (P3) `ended` resolves once all of that is done.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { PrintedLines } from '../../agents/process/printed-lines.js';
import type { Clock, Timer } from '../../clock.js';
import { KILL_AFTER_MS } from '../commands/run-command.js';
import type { Launch } from './launch.js';
import { endMarked, MARK } from './stragglers.js';

export interface HostProcessOptions {
  readonly clock: Clock;
  /** Where it starts. */
  readonly cwd: string;
  /** By which what it leaves behind is known. */
  readonly mark: string;
  /** Is told of each line on its stderr, within a rate. */
  readonly print: (line: string) => void;
}

export class HostProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** How it ended, in words (P3). Never rejects. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #printed: PrintedLines;
  #kill: Timer | undefined;
  #hasExited = false;

  constructor({ program, words, env, remove }: Launch, { clock, cwd, mark, print }: HostProcessOptions) {
    this.#clock = clock;
    this.#printed = new PrintedLines(clock, print);
    const child = spawn(program, words, {
      cwd,
      env: { ...env, [MARK]: mark },
      shell: false,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      windowsHide: true,
    });
    this.#child = child;
    const { stdin, stdout, stderr } = child;
    this.stdin = stdin;
    this.stdout = stdout;
    stderr.on('data', (piece: Buffer) => {
      this.#printed.push(piece);
    });
    this.ended = this.#end().then(async (how) => {
      await endMarked(mark);
      if (remove !== undefined) await finished(remove.program, remove.words, env);
      return how;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What it said last on stderr. */
  get lastLine(): string {
    return this.#printed.last;
  }

  /** (P2) */
  stop(): void {
    if (this.#hasExited || this.#kill !== undefined) return;
    this.#signal('SIGTERM');
    this.#kill = this.#clock.timer(KILL_AFTER_MS, () => {
      this.#signal('SIGKILL');
    });
  }

  #end(): Promise<string> {
    return new Promise((resolve) => {
      const over = (how: string): void => {
        this.#kill?.cancel();
        this.#signal('SIGKILL');
        this.#hasExited = true;
        this.#printed.flush();
        resolve(how);
      };
      this.#child.once('error', (error: NodeJS.ErrnoException) => {
        if (this.#child.pid === undefined) over(`it cannot be started (${error.code ?? error.message})`);
      });
      this.#child.once('exit', (code, signal) => {
        over(code === null ? `it was ended by ${signal ?? 'a signal'}` : `it ended with ${code}`);
      });
    });
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#hasExited) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The group is gone.
    }
  }
}

/** From a container that is to be removed until nobody waits for that any more. */
const REMOVE_MS = 15_000;

function finished(program: string, words: readonly string[], env: Launch['env']): Promise<void> {
  return new Promise((resolve) => {
    execFile(program, words, { env, timeout: REMOVE_MS }, () => {
      resolve();
    });
  });
}
