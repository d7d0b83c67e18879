/**
 * Ends what a worker has left behind: processes of its tasks that are in groups of their own, and that nobody follows any
 * more once the worker was killed. They are known by a variable that they inherit. Those within walls have ended with
 * their walls; one that takes the variable out of its environment is beyond reach.
 */
import { readdir, readFile } from 'node:fs/promises';

/** The variable; its value is the worker's own. */
export const MARK = 'ARCP_WORKER';

/** A process may start another while we look. */
const ROUNDS = 3;

/** Where there is no /proc nothing is found. */
export async function endMarked(mark: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = await marked(mark);
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }
}

async function marked(mark: string): Promise<number[]> {
  const wanted = `${MARK}=${mark}`;
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found: number[] = [];
  for (const pid of pids) {
    // Other people's cannot be read.
    const text = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (text.split('\0').includes(wanted)) found.push(pid);
  }
  return found;
}
