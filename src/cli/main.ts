#!/usr/bin/env node
/** The `arcp` command: picks the subcommand and turns what it throws into a message and a status. */
import { Command, CommanderError } from 'commander';
import { addAgents } from './agents.js';
import { addAnswer, addInterrupt, addQuestions } from './answer.js';
import { addApprove } from './approve.js';
import { addArtifact } from './artifact.js';
import { addCancel } from './cancel.js';
import { addConfig } from './config.js';
import { addConformance } from './conformance.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { asFailure } from './failure.js';
import { addFleet } from './fleet/index.js';
import { addInvoke } from './invoke.js';
import { addJobs } from './jobs.js';
import { addLease } from './lease.js';
import { addMcp } from './mcp.js';
import { addSchedule, addSchedules } from './schedule.js';
import { addServe } from './serve.js';
import { addTail } from './tail.js';
import { addToken } from './token.js';
import { VERSION } from '../version.js';
import { addWorker } from './worker.js';

async function main(argv: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = EXIT.completed;
  const exit = (chosen: ExitCode): void => {
    code = chosen;
  };
  const program = new Command('arcp')
    .description('Run agents and watch them work: invoke, delegate, stream, cancel, over one socket.')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(--help says more)');
  addServe(program, exit);
  addWorker(program, exit);
  addInvoke(program, exit);
  addAgents(program);
  addJobs(program);
  addTail(program, exit);
  addCancel(program);
  addQuestions(program);
  addAnswer(program);
  addApprove(program);
  addInterrupt(program);
  addLease(program);
  addArtifact(program);
  addSchedule(program);
  addSchedules(program);
  addMcp(program, exit);
  addToken(program);
  addConfig(program, exit);
  addFleet(program, exit);
  addConformance(program, exit);
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): ExitCode {
  if (error instanceof CommanderError) {
    // Commander has said what is wrong, but for what an action found out.
    if (error.code === 'commander.invalidArgument' && !error.message.startsWith('error:')) {
      process.stderr.write(`error: ${error.message}\n`);
    }
    return error.exitCode === 0 ? EXIT.completed : EXIT.usage;
  }
  const { message, next, exitCode } = asFailure(error);
  process.stderr.write(`arcp: ${message}\n${next === undefined ? '' : `  next: ${next}\n`}`);
  return exitCode;
}

/** Whoever reads our output may stop reading: `arcp invoke … | head` is no reason for a stack trace. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.stderr.write(`arcp: stdout cannot be written: ${error.message}\n`);
  process.exit(EXIT.failed);
});

const code = await main(process.argv);
// A pipe takes what it is given in its own time, and the process must not end before.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(code);
