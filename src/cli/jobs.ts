/** `arcp jobs`: the jobs of whoever asks. */
import { once } from 'node:events';
import { InvalidArgumentError, type Command } from 'commander';
import type { JobFilter, JobListing, JobStatusWord } from '../client/index.js';
import { JOB_STATES } from '../protocol/index.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { printable } from './text.js';

interface JobsOptions extends ConnectionOptions {
  readonly status?: readonly JobStatusWord[];
  readonly agent?: string;
  readonly json?: true;
}

export function addJobs(program: Command): void {
  const command = program
    .command('jobs')
    .description('list your jobs, the oldest first')
    .option('--status <state>', 'only those in this state; may be repeated, or several with commas', statuses)
    .option('--agent <agent>', 'only those of this name, or name@version')
    .option('--json', 'print one job a line, as it is listed');
  withConnectionOptions(command).action(async (options: JobsOptions) => {
    const { status, agent, json } = options;
    const client = await connectTo(options);
    try {
      const filter: JobFilter = {
        ...(status === undefined ? {} : { status }),
        ...(agent === undefined ? {} : { agent }),
      };
      for await (const job of client.jobs(filter)) {
        const line = json === true ? JSON.stringify(job) : jobLine(job);
        if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
      }
    } finally {
      await client.close();
    }
  });
}

const WIDEST_STATE = Math.max(...JOB_STATES.map(({ length }) => length));

/** Id, state, when it was asked for, agent, and the number to go on from with `arcp tail --from`. */
export function jobLine(job: JobListing): string {
  const { job_id, status, created_at, agent, parent_job_id, last_event_seq } = job;
  const parent = parent_job_id === undefined ? '' : `  of ${parent_job_id}`;
  return printable(
    `${job_id}  ${status.padEnd(WIDEST_STATE)}  ${created_at}  ${agent}  ${last_event_seq}${parent}`,
  );
}

const WORDS: ReadonlySet<string> = new Set([...JOB_STATES, 'pending', 'success', 'error', 'timed_out']);

function isStatusWord(text: string): text is JobStatusWord {
  return WORDS.has(text);
}

function statuses(text: string, before: readonly JobStatusWord[] = []): JobStatusWord[] {
  const words = text.split(',');
  if (words.every(isStatusWord)) return [...before, ...words];
  throw new InvalidArgumentError(`expected one of ${[...WORDS].join(', ')}`);
}
