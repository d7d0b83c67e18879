/**
 * What a process and all that it has started use: processor time and memory, from /proc, where there is one.
 *
 * (U1) Processes that have ended count by what their parents waited for, so that processor time only grows.
 */
import { readdir, readFile } from 'node:fs/promises';
import type { Clock } from '../../clock.js';

export interface Usage {
  /** Of one processor, since the measurement before; 200 is two of them, all of the time. */
  readonly cpuPercent: number;
  /** Resident, in megabytes of 1,048,576 bytes. */
  readonly memoryMb: number;
}

/** Ticks of /proc/PID/stat in a second: what Linux tells programs on every architecture (`USER_HZ`). */
const TICKS_PER_SECOND = 100;

export class UsageMeter {
  readonly #pid: number;
  readonly #clock: Clock;
  #ticks = 0;
  #at: number;

  /** @param pid of a process that begins now */
  constructor(pid: number, clock: Clock) {
    this.#pid = pid;
    this.#clock = clock;
    this.#at = clock.now();
  }

  /** `undefined` where there is nothing to be measured, or the process has ended. */
  async measure(): Promise<Usage | undefined> {
    const pids = await descendants(this.#pid);
    if (pids.size === 0) return undefined;
    let ticks = 0;
    let kilobytes = 0;
    for (const [pid, used] of pids) {
      ticks += used;
      const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
      kilobytes += Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0);
    }
    const now = this.#clock.now();
    const seconds = (now - this.#at) / 1_000;
    const spent = Math.max(0, ticks - this.#ticks) / TICKS_PER_SECOND;
    this.#ticks = Math.max(ticks, this.#ticks);
    this.#at = now;
    const cpuPercent = seconds > 0 ? Math.round((spent / seconds) * 1_000) / 10 : 0;
    return { cpuPercent, memoryMb: kilobytes / 1_024 };
  }
}

/** Of a process and those below it: the ticks that each has used, with those that it waited for (U1). */
async function descendants(root: number): Promise<Map<number, number>> {
  const parents = new Map<number, { readonly parent: number; readonly ticks: number }>();
  const names = await readdir('/proc').catch(() => []);
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    // The name of the program, in parentheses, may be anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields.length < 16) continue;
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    parents.set(Number(name), { parent: Number(fields[1]), ticks });
  }
  const found = new Map<number, number>();
  const isBelow = (pid: number): boolean => {
    const seen = new Set<number>();
    for (let at = pid; !seen.has(at); at = parents.get(at)?.parent ?? at) {
      if (at === root) return true;
      seen.add(at);
    }
    return false;
  };
  if (!parents.has(root)) return found;
  for (const [pid, { ticks }] of parents) if (isBelow(pid)) found.set(pid, ticks);
  return found;
}
