/** What went wrong, for the person at the keyboard: what it was, and what to do next. */
import { ArcpError, type ErrorCode } from '../protocol/index.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { printable } from './text.js';

/** Ends the command with a status, a message on stderr and a piece of advice. */
export class Failure extends Error {
  readonly exitCode: ExitCode;
  /** What to do next; one line. */
  readonly next: string | undefined;

  constructor(exitCode: ExitCode, message: string, next?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.next = next;
  }
}

const AGENT_AT_FAULT = 'a fault of the agent, not of the call: tell whoever wrote it';
const LEASE = 'start it again with a lease that allows it, for long enough (--allow, --expires)';

/** A failed command always says what to do next. */
const ADVICE: Readonly<Record<Exclude<ErrorCode, 'OK'>, string>> = {
  ABORTED: 'it may work when tried again',
  AGENT_NOT_AVAILABLE: '`arcp agents` lists what the runtime hosts',
  ALREADY_EXISTS: 'use another name or id',
  AGENT_VERSION_NOT_AVAILABLE: '`arcp agents` lists the versions that the runtime hosts',
  BACKPRESSURE_OVERFLOW: 'read faster, or have the job produce less',
  BUDGET_EXHAUSTED: 'allow more with --budget, e.g. --budget USD:5.00',
  CANCELLED: 'start it again if that was not meant',
  DATA_LOSS: 'start it again: what it produced is no longer kept',
  DEADLINE_EXCEEDED: 'try again, or look at the runtime’s log',
  DUPLICATE_KEY: 'use another --idempotency-key, or repeat exactly what the key was first used for',
  FAILED_PRECONDITION: AGENT_AT_FAULT,
  HEARTBEAT_LOST: 'the agent hangs or was killed: look at the runtime’s log',
  INTERNAL: 'the runtime’s log may say more',
  INVALID_ARGUMENT: 'correct the agent reference or its arguments (--arg name=value, --args JSON)',
  INVALID_REQUEST: 'correct the request: the message says what is wrong with it',
  JOB_NOT_FOUND: 'check the id; finished jobs are forgotten after a while',
  LEASE_EXPIRED: LEASE,
  LEASE_REVOKED: LEASE,
  LEASE_SUBSET_VIOLATION: 'allow the parent what its child asks for, e.g. with --budget',
  NOT_FOUND: 'check the name or id; finished jobs are forgotten after a while',
  OUT_OF_RANGE: AGENT_AT_FAULT,
  PERMISSION_DENIED: 'use the token of the principal that owns it',
  RESOURCE_EXHAUSTED: 'try again when the runtime has room',
  RESUME_WINDOW_EXPIRED: 'start it again: the session is gone',
  TIMEOUT: 'give it more time, or less to do',
  UNAUTHENTICATED:
    'pass the token that the runtime knows: --token-file FILE, or ARCP_TOKEN; `arcp serve` prints the command',
  UNIMPLEMENTED: 'use a runtime that can do it',
  UNKNOWN: 'the runtime’s log may say more',
  UNAVAILABLE: 'the runtime is starting or draining: try again',
};

/** One line on an error of the wire. */
export function describe(error: ArcpError): string {
  return `${error.code}: ${printable(error.message)}`;
}

export function adviceFor(error: ArcpError): string | undefined {
  if (error.code === 'OK') return undefined;
  if (error.code === 'RESOURCE_EXHAUSTED' && !error.retryable)
    return 'ask for less: the message names the limit';
  return ADVICE[error.code];
}

/** The failure that an error of the wire is to a command. */
export function refusal(error: ArcpError): Failure {
  return new Failure(EXIT.failed, describe(error), adviceFor(error), error);
}

/** Any thrown value as a failure. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ArcpError) return refusal(error);
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(EXIT.failed, message, undefined, error);
}

/** Runs `read`; what it throws becomes a usage failure with this advice. */
export function orUsage<T>(read: () => T, next?: string): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(EXIT.usage, error instanceof Error ? error.message : String(error), next, error);
  }
}
