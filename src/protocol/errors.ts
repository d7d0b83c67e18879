/**
 * The error table: every code that may cross the wire, and whether a caller may simply try again.
 * Sources: RFC 0001 §18.2 (the first 21), execution.rs and draft-1.1 §12 (the rest).
 */

interface ErrorRule {
  /** Whether the same request may succeed later without a change, when the sender does not say. */
  readonly retryable: boolean;
  readonly meaning: string;
}

export const ERRORS = {
  OK: { retryable: false, meaning: 'No error.' },
  CANCELLED: { retryable: false, meaning: 'The work was stopped on request.' },
  UNKNOWN: { retryable: false, meaning: 'An error of which nothing more is known.' },
  INVALID_ARGUMENT: { retryable: false, meaning: 'A field or an argument is malformed.' },
  DEADLINE_EXCEEDED: { retryable: true, meaning: 'The time allowed ran out.' },
  NOT_FOUND: { retryable: false, meaning: 'The named thing does not exist.' },
  ALREADY_EXISTS: { retryable: false, meaning: 'The named thing exists already.' },
  PERMISSION_DENIED: { retryable: false, meaning: 'The principal, or the lease, does not allow it.' },
  RESOURCE_EXHAUSTED: { retryable: true, meaning: 'A limit is reached; try again when there is room.' },
  FAILED_PRECONDITION: { retryable: false, meaning: 'The state of things does not allow it.' },
  ABORTED: { retryable: true, meaning: 'The work was ended before it could finish by itself.' },
  OUT_OF_RANGE: { retryable: false, meaning: 'A value, or a place in a sequence, is outside what is valid.' },
  UNIMPLEMENTED: { retryable: false, meaning: 'This runtime does not do that.' },
  INTERNAL: { retryable: true, meaning: 'A fault of the runtime or of an agent.' },
  UNAVAILABLE: { retryable: true, meaning: 'Not now: starting, draining or overloaded.' },
  DATA_LOSS: { retryable: false, meaning: 'What was asked for is no longer kept.' },
  UNAUTHENTICATED: { retryable: false, meaning: 'Who is asking could not be established.' },
  HEARTBEAT_LOST: { retryable: false, meaning: 'Whoever executes the job fell silent.' },
  LEASE_EXPIRED: { retryable: false, meaning: 'The lease the work ran under has run out.' },
  LEASE_REVOKED: { retryable: false, meaning: 'The lease the work ran under was taken back.' },
  BACKPRESSURE_OVERFLOW: { retryable: false, meaning: 'More was produced than could be taken.' },
  BUDGET_EXHAUSTED: { retryable: false, meaning: 'The cost budget does not cover it.' },
  LEASE_SUBSET_VIOLATION: { retryable: false, meaning: 'More authority was asked for than the parent has.' },
  AGENT_NOT_AVAILABLE: { retryable: false, meaning: 'No agent of that name is hosted here.' },
  AGENT_VERSION_NOT_AVAILABLE: { retryable: false, meaning: 'The agent is hosted, but not in that version.' },
  INVALID_REQUEST: { retryable: false, meaning: 'The request as a whole makes no sense.' },
  TIMEOUT: { retryable: false, meaning: 'The job ran longer than it was allowed to.' },
  JOB_NOT_FOUND: { retryable: false, meaning: 'No such job.' },
  DUPLICATE_KEY: { retryable: false, meaning: 'The idempotency key was used for a different request.' },
  RESUME_WINDOW_EXPIRED: { retryable: false, meaning: 'The session can no longer be resumed.' },
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof ERRORS;

export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

/** Whether the table knows the code. Members that every object has are not codes. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** What an error looks like on the wire (RFC 0001 §18.1). */
export interface ErrorPayload {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable?: boolean | undefined;
  readonly details?: unknown;
}

export interface ErrorOptions {
  /** Defaults to the table's value for the code. */
  readonly retryable?: boolean | undefined;
  /** JSON that helps a program to react. Never a secret. */
  readonly details?: unknown;
  readonly cause?: unknown;
}

/** The one error class of this package: a wire code, whether to retry, and details. */
export class ArcpError extends Error {
  override readonly name = 'ArcpError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: unknown;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.details = options.details;
  }

  /** The error of a `nack`, `job.failed`, `tool.error` or `session.rejected` payload. */
  static fromPayload(payload: ErrorPayload): ArcpError {
    return new ArcpError(payload.code, payload.message, {
      retryable: payload.retryable,
      details: payload.details,
    });
  }

  /** Anything that was thrown, as one of ours: `ArcpError`s as they are, the rest as INTERNAL. */
  static from(thrown: unknown): ArcpError {
    if (thrown instanceof ArcpError) return thrown;
    return new ArcpError('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown), {
      cause: thrown,
    });
  }

  toPayload(): ErrorPayload & { readonly retryable: boolean } {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}
