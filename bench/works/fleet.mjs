/** (j) A run of many tasks on simulated workers: `bench:fleet`, in a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseJson } from '../ipc.mjs';
import { SQLITE } from '../servers.mjs';

/** @typedef {{ status: string; tasks_per_second: number; status_ms_at_end: number }} FleetFigures */

const TASKS = 10_000;
const PROGRAM = fileURLToPath(new URL('../fleet.mjs', import.meta.url));

/** @type {import('./work.mjs').Work} */
export const fleet = {
  key: 'j',
  title: 'A fleet of 10,000 tasks',
  isLong: true,
  servers: [SQLITE],
  async run(_definition, _samples, scale) {
    const args = [PROGRAM, '--json', '--tasks', String(scale(TASKS, 100))];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 900_000 });
    const figures = /** @type {FleetFigures} */ (parseJson(stdout));
    if (figures.status !== 'completed') throw new Error(`the run of the fleet: ${figures.status}`);
    return [
      { work: 'tasks', unit: 'tasks/s', value: figures.tasks_per_second },
      { work: 'how it stands, asked', unit: 'ms', value: figures.status_ms_at_end },
    ];
  },
};
