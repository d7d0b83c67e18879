/**
 * Runs one command of a task in its workspace, within its walls.
 *
 * (C1) Of our environment it has the path, the locale and what its task's allowlist names; HOME is an empty folder.
 * (C2) It is ended as a group: TERM, 750 ms, KILL (fleet.md, hosts). Its end is waited for, whoever stops it.
 * (C3) What it writes is read to its end and kept up to a bound, so that it never waits for us and never fills us up (L7).
 */
import { startProcess } from '../../agents/process/agent-process.js';
import type { Clock } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import type { CommandOutcome } from '../scoring/ports.js';
import type { TaskWalls } from './task-walls.js';

/** From TERM to KILL. */
export const KILL_AFTER_MS = 750;

export interface CommandOptions {
  readonly argv: readonly string[];
  /** Absolute. */
  readonly workspace: string;
  readonly env: Readonly<Record<string, string>>;
  readonly walls: TaskWalls;
  /** Kept of each output; what is beyond is dropped. */
  readonly maxOutputBytes: number;
  readonly clock: Clock;
  /** Stops it. */
  readonly signal: AbortSignal;
  /** Is told of each line that it writes to stderr, within a rate. */
  readonly line?: (text: string) => void;
  /** Is told of the process that it is. */
  readonly started?: (pid: number) => void;
}

/** Never rejects. A command that was stopped is `killed`. */
export async function runCommand(
  options: CommandOptions,
): Promise<Exclude<CommandOutcome, { kind: 'timed_out' }>> {
  const { argv, workspace, env, walls, maxOutputBytes, clock, signal, line, started } = options;
  const stderr = new Kept(maxOutputBytes);
  const stdout = new Kept(maxOutputBytes);
  try {
    signal.throwIfAborted();
    const child = await startProcess(
      {
        command: argv,
        base: workspace,
        cwd: workspace,
        env,
        reads: walls.reads,
        writes: walls.writes,
        killAfterMs: KILL_AFTER_MS,
        clock,
      },
      walls.confinement,
      (text) => {
        stderr.push(Buffer.from(`${text}\n`));
        line?.(text);
      },
    );
    if (child.pid !== undefined) started?.(child.pid);
    const stop = (): void => {
      child.stop();
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    child.stdin.end();
    child.stdout.on('data', (bytes: Buffer) => {
      stdout.push(bytes);
    });
    const end = await child.ended;
    signal.removeEventListener('abort', stop);
    await child.gone;
    const output = { stdout: stdout.bytes, stderr: stderr.bytes };
    switch (end.kind) {
      case 'exited':
        return { kind: 'exited', code: end.code, ...output };
      case 'killed':
        return { kind: 'killed', signal: end.signal, ...output };
      case 'unstarted':
        return { kind: 'cannot_start', reason: end.reason };
    }
  } catch (error) {
    return { kind: 'cannot_start', reason: ArcpError.from(error).message };
  }
}

/** (C3) */
class Kept {
  readonly #limit: number;
  readonly #pieces: Buffer[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(piece: Buffer): void {
    const kept = piece.subarray(0, this.#limit - this.#size);
    if (kept.length === 0) return;
    // A copy: the piece may be a window on something far larger.
    this.#pieces.push(Buffer.from(kept));
    this.#size += kept.length;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
