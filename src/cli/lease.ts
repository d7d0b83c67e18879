/** `arcp lease extend | revoke`: leases that were granted to a job while it runs. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Client } from '../client/index.js';
import { ArcpError, isId } from '../protocol/index.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT } from './exit-codes.js';
import { adviceFor, describe, Failure } from './failure.js';
import { parseDuration } from './options.js';
import { tell } from './said.js';

interface LeaseOptions extends ConnectionOptions {
  readonly json?: true;
}

export function addLease(program: Command): void {
  const lease = program
    .command('lease')
    .description('give a lease that was granted to a job more time, or take it back');
  const extend = lease
    .command('extend')
    .description('have it end later')
    .argument('<lease>', 'the id of the lease, lease_…', parseLeaseId)
    .argument('<duration>', 'how much later, e.g. 10m', parseSeconds)
    .option('--json', 'print when it ends as JSON');
  withConnectionOptions(extend).action(async (id: string, seconds: number, options: LeaseOptions) => {
    const expiresAt = await withLease(id, options, (client) => client.extendLease(id, seconds));
    tell(options, { lease_id: id, expires_at: expiresAt }, `${id} ends at ${expiresAt}`);
  });
  const revoke = lease
    .command('revoke')
    .description('take it back: acts under it are refused from now on, and the job goes on')
    .argument('<lease>', 'the id of the lease, lease_…', parseLeaseId)
    .option('--reason <text>', 'what the job is told')
    .option('--json', 'print that it is revoked as JSON');
  withConnectionOptions(revoke).action(async (id: string, options: LeaseOptions & { reason?: string }) => {
    await withLease(id, options, (client) => client.revokeLease(id, options.reason));
    tell(options, { lease_id: id, revoked: true }, `${id} is taken back`);
  });
}

async function withLease<T>(
  id: string,
  options: ConnectionOptions,
  run: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connectTo(options);
  try {
    return await run(client);
  } catch (error) {
    if (!(error instanceof ArcpError)) throw error;
    throw new Failure(EXIT.failed, `${id} is as it was: ${describe(error)}`, adviceOn(error), error);
  } finally {
    await client.close();
  }
}

function adviceOn(error: ArcpError): string | undefined {
  switch (error.code) {
    case 'NOT_FOUND':
      return '`arcp tail JOB` shows the leases that a job was granted';
    case 'FAILED_PRECONDITION':
      return 'there is nothing to do: it has ended';
    default:
      return adviceFor(error);
  }
}

function parseLeaseId(text: string): string {
  if (!isId('lease', text)) throw new InvalidArgumentError('expected the id of a lease, lease_…');
  return text;
}

function parseSeconds(text: string): number {
  const ms = parseDuration(text);
  if (ms < 1_000) throw new InvalidArgumentError('expected a second or more, e.g. 30s or 10m');
  return Math.floor(ms / 1_000);
}
