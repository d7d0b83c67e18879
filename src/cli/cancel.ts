/** `arcp cancel`: asks a runtime to stop a job. */
import type { Command } from 'commander';
import { ArcpError } from '../protocol/index.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT } from './exit-codes.js';
import { describe, Failure } from './failure.js';
import { parseDuration } from './options.js';
import { tell } from './said.js';

interface CancelOptions extends ConnectionOptions {
  readonly reason?: string;
  readonly deadline?: number;
  readonly json?: true;
}

export function addCancel(program: Command): void {
  const command = program
    .command('cancel')
    .description('stop a job of yours')
    .argument('<job>', 'the id of the job, job_…')
    .option('--reason <text>', 'what its terminal event will say')
    .option('--deadline <duration>', 'how long it may take to end by itself, e.g. 5s', parseDuration)
    .option('--json', 'print that it is being cancelled as JSON');
  withConnectionOptions(command).action(async (job: string, options: CancelOptions) => {
    const client = await connectTo(options);
    try {
      await client.cancel(job, {
        ...(options.reason === undefined ? {} : { reason: options.reason }),
        ...(options.deadline === undefined ? {} : { deadlineMs: options.deadline }),
      });
      tell(options, { job_id: job, cancelling: true }, `${job} is being cancelled`);
    } catch (error) {
      if (!(error instanceof ArcpError)) throw error;
      throw new Failure(EXIT.failed, `${job} was not cancelled: ${describe(error)}`, adviceOn(error), error);
    } finally {
      await client.close();
    }
  });
}

function adviceOn({ code }: ArcpError): string | undefined {
  switch (code) {
    case 'FAILED_PRECONDITION':
      return 'there is nothing to do: it has ended';
    case 'NOT_FOUND':
      return 'check the id; a runtime without a durable store forgets its jobs when it stops';
    case 'PERMISSION_DENIED':
      return 'use the token of whoever started it';
    default:
      return undefined;
  }
}
