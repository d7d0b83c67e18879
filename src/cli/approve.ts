/** `arcp approve`: grants or denies what a job asks to be allowed. */
import type { Command } from 'commander';
import { settle } from './answer.js';
import { withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { parseDuration } from './options.js';
import { tell } from './said.js';

interface ApproveOptions extends ConnectionOptions {
  readonly deny?: true;
  readonly reason?: string;
  readonly lease?: number;
  readonly question?: string;
  readonly json?: true;
}

export function addApprove(program: Command): void {
  const command = program
    .command('approve')
    .description('grant what a job of yours asks to be allowed, or deny it')
    .argument('<job>', 'the id of the job, job_…')
    .option('--deny', 'deny it')
    .option('--reason <text>', 'why it is denied')
    .option(
      '--lease <duration>',
      'how long it is granted for, e.g. 10m; else as long as was asked',
      parseDuration,
    )
    .option('--question <id>', 'which one, where the job asks several')
    .option('--json', 'print what was decided as JSON');
  withConnectionOptions(command).action(async (job: string, options: ApproveOptions) => {
    const { deny, reason, lease } = options;
    if (deny === undefined && reason !== undefined) {
      throw new Failure(EXIT.usage, '--reason says why something is denied', 'add --deny');
    }
    if (lease !== undefined && (deny !== undefined || lease < 1_000)) {
      throw new Failure(
        EXIT.usage,
        '--lease is for what is granted, for a second at least',
        'e.g. --lease 10m',
      );
    }
    await settle(job, options, (question) => {
      if (question.request.type !== 'permission.request') {
        throw new Failure(EXIT.usage, `it asks for an answer: ${question.prompt}`, '`arcp answer` gives it');
      }
      if (deny === true) return question.deny(reason);
      return question.grant(lease === undefined ? {} : { leaseSeconds: Math.floor(lease / 1_000) });
    });
    const decision = deny === true ? 'denied' : 'granted';
    tell(options, { job_id: job, decision }, `${job} was ${decision} what it asked`);
  });
}
