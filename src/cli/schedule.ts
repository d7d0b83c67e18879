/** `arcp schedule` and `arcp schedules`: jobs that start later, once or again and again. */
import { once } from 'node:events';
import { InvalidArgumentError, type Command } from 'commander';
import type { ScheduleListing, ScheduleTime } from '../client/index.js';
import { ArcpError } from '../protocol/index.js';
import { authorityOf, withAuthorityOptions, type AuthorityOptions } from './authority-options.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT } from './exit-codes.js';
import { describe, Failure } from './failure.js';
import { collect, mergeArguments, parseArgument, parseDuration, parseJson } from './options.js';
import { tell } from './said.js';
import { printable } from './text.js';

interface ScheduleOptions extends ConnectionOptions, Omit<AuthorityOptions, 'expires'> {
  readonly at?: string;
  readonly after?: number;
  readonly every?: string;
  readonly arg?: readonly (readonly [string, unknown])[];
  readonly args?: { readonly value: unknown };
  readonly idempotencyKey?: string;
  readonly workflow?: true;
}

export function addSchedule(program: Command): void {
  const command = program
    .command('schedule')
    .description('have jobs started later, also when nobody is connected; prints the id of the schedule')
    .argument('<agent>', 'name or name@version')
    .option('--at <time>', 'once, at an instant such as 2026-01-31T12:00:00Z')
    .option('--after <duration>', 'once, from now, e.g. 90s or 1h', parseDuration)
    .option('--every <rule>', "again and again, by an RRULE (RFC 5545), e.g. 'FREQ=DAILY;BYHOUR=6'")
    .option('--arg <name=value>', 'one argument; the value is JSON, or else text', collect(parseArgument))
    .option('--args <json>', 'all arguments', parseJson)
    .option('--workflow', 'start it as a workflow: what is none is refused')
    .option('--idempotency-key <key>', 'repeating the same key gets the same schedule');
  withConnectionOptions(withAuthorityOptions(command)).action(
    async (agent: string, options: ScheduleOptions) => {
      const when = timeOf(options);
      const args = mergeArguments(options.args?.value, options.arg ?? []);
      const asked = authorityOf(options, Date.now());
      const client = await connectTo(options);
      try {
        const id = await client.schedule(agent, args, when, {
          asWorkflow: options.workflow === true,
          ...asked,
          ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
        });
        process.stdout.write(`${id}\n`);
      } finally {
        await client.close();
      }
    },
  );
}

function timeOf({ at, after, every }: ScheduleOptions): ScheduleTime {
  const given: ScheduleTime[] = [];
  if (at !== undefined) given.push({ at });
  if (after !== undefined) given.push({ after: after / 1_000 });
  // A shell passes no newline in plain quotes: the two characters stand for one.
  if (every !== undefined) given.push({ every: every.replaceAll('\\n', '\n') });
  const [when, ...others] = given;
  if (when === undefined || others.length > 0) {
    throw new InvalidArgumentError('expected exactly one of --at, --after, --every');
  }
  return when;
}

interface ListOptions extends ConnectionOptions {
  readonly json?: true;
}

export function addSchedules(program: Command): void {
  const command = program
    .command('schedules')
    .description('list your schedules, the oldest first')
    .option('--json', 'print one schedule a line, as it is listed');
  withConnectionOptions(command).action(async (options: ListOptions) => {
    const client = await connectTo(options);
    try {
      for await (const schedule of client.schedules()) {
        const line = options.json === true ? JSON.stringify(schedule) : scheduleLine(schedule);
        if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
      }
    } finally {
      await client.close();
    }
  });
  const cancel = command
    .command('cancel')
    .description('start no further job of a schedule; what runs goes on')
    .argument('<schedule>', 'the id of the schedule, sched_…');
  withConnectionOptions(cancel).action(async (id: string, _options: unknown, self: Command) => {
    // The options of `schedules` count here too, wherever they stand.
    const options = self.optsWithGlobals<ListOptions>();
    const client = await connectTo(options);
    try {
      await client.cancelSchedule(id);
      tell(options, { schedule_id: id, cancelled: true }, `${id} is cancelled`);
    } catch (error) {
      if (!(error instanceof ArcpError)) throw error;
      throw new Failure(EXIT.failed, `${id} was not cancelled: ${describe(error)}`, undefined, error);
    } finally {
      await client.close();
    }
  });
}

/** Id, state, agent, when it fires, when next, and what came of the last time. */
export function scheduleLine(schedule: ScheduleListing): string {
  const { schedule_id, status, agent, when, next_at, last_at, last_job_id, last_error } = schedule;
  const rule = when.every?.replaceAll(/\r?\n/g, ' ') ?? when.at ?? `after ${when.after} s`;
  const next = next_at === undefined ? '' : `  next ${next_at}`;
  const came = last_error === undefined ? last_job_id : `${last_error.code}: ${last_error.message}`;
  const last = last_at === undefined ? '' : `  last ${last_at} ${came ?? ''}`;
  return printable(`${schedule_id}  ${status.padEnd(9)}  ${agent}  ${rule}${next}${last}`);
}
