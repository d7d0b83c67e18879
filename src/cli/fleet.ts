/** `arcp fleet …`: runs of tasks on workers. */
import type { Command } from 'commander';
import type { ExitCode } from './exit-codes.js';
import { addFleetCheck } from './fleet-check.js';

export function addFleet(program: Command, exit: (code: ExitCode) => void): void {
  const fleet = program.command('fleet').description('run many tasks on many workers');
  addFleetCheck(fleet, exit);
}
