/** Why a connection could not be made, as an error that shows no secret of the address. */
import { ArcpError } from '../protocol/errors.js';

interface FailureFacts {
  /** The HTTP status that refused the handshake. */
  readonly status?: number;
  readonly cause?: unknown;
}

/** Scheme, host, port and path: credentials and the query stay out of messages and logs. */
export function locationOf(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** UNAVAILABLE. A refusal by HTTP 4xx would come again, so it is not retryable, but for 408 and 429. */
export function unreachable(url: URL, why: string, { status, cause }: FailureFacts = {}): ArcpError {
  const permanent = status !== undefined && status < 500 && status !== 408 && status !== 429;
  return new ArcpError('UNAVAILABLE', `cannot connect to ${locationOf(url)}: ${why}`, {
    retryable: !permanent,
    details: status === undefined ? undefined : { status },
    cause,
  });
}
