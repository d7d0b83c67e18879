/** `arcp fleet …`: runs of tasks on workers. */
import type { Command } from 'commander';
import type { ExitCode } from '../exit-codes.js';
import { addAlerts } from './alerts.js';
import { addFleetCheck } from './check.js';
import { addLogs } from './logs.js';
import { addArtifacts, addInspect, addList, addReceipts, addStatus, addTasks } from './looking.js';
import { addResume, addRun } from './run.js';
import { addPause, addScore, addStop, addTaskCommands, addWorkerCommands } from './telling.js';

export function addFleet(program: Command, exit: (code: ExitCode) => void): void {
  const fleet = program.command('fleet').description('run many tasks on many workers');
  addFleetCheck(fleet, exit);
  addRun(fleet, exit);
  addResume(fleet, exit);
  addList(fleet);
  addStatus(fleet);
  addTasks(fleet);
  addInspect(fleet);
  addLogs(fleet, exit);
  addArtifacts(fleet);
  addReceipts(fleet);
  addTaskCommands(fleet);
  addScore(fleet);
  addPause(fleet);
  addWorkerCommands(fleet);
  addStop(fleet);
  addAlerts(fleet);
}
