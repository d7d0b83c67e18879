/**
 * How a process ended, and what that is for the job that it worked for: one table of exit codes.
 * Sources: sysexits.h; POSIX 2.8.2 (126, 127).
 */
import { ArcpError, type ErrorCode } from '../../protocol/errors.js';

export type ProcessEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  /** It was never run. */
  | { readonly kind: 'unstarted'; readonly reason: string };

const EXIT_CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [64, 'INVALID_ARGUMENT'], // EX_USAGE
  [65, 'INVALID_ARGUMENT'], // EX_DATAERR
  [66, 'NOT_FOUND'], // EX_NOINPUT
  [69, 'UNAVAILABLE'], // EX_UNAVAILABLE
  [70, 'INTERNAL'], // EX_SOFTWARE
  [75, 'UNAVAILABLE'], // EX_TEMPFAIL
  [77, 'PERMISSION_DENIED'], // EX_NOPERM
  [78, 'FAILED_PRECONDITION'], // EX_CONFIG
  [126, 'FAILED_PRECONDITION'], // cannot be run
  [127, 'FAILED_PRECONDITION'], // not found
]);

/** Why a job fails whose process ended before it had said how the job does. `last` is what it printed last. */
export function failureOf(end: ProcessEnd, agent: string, last: string): ArcpError {
  const words = last === '' ? '' : `: ${last}`;
  switch (end.kind) {
    case 'unstarted':
      return new ArcpError(
        'FAILED_PRECONDITION',
        `the process of ${agent} could not be started: ${end.reason}`,
      );
    case 'killed': {
      const details = { signal: end.signal };
      return new ArcpError('INTERNAL', `the process of ${agent} was ended by ${end.signal}${words}`, {
        details,
      });
    }
    case 'exited': {
      const details = { exit_code: end.code };
      const what = end.code === 0 ? 'ended without a result' : `exited with ${end.code}`;
      const code = EXIT_CODES.get(end.code) ?? 'INTERNAL';
      return new ArcpError(code, `the process of ${agent} ${what}${words}`, { details });
    }
  }
}
