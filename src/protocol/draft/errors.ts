/**
 * The draft's errors (draft-1.1 §12), and how they stand to the native ones.
 *
 * (X1) Every native code has one draft code. Where that says less, the native one is kept in `details.native_code`.
 * (X2) INTERNAL_ERROR is always retryable; LEASE_EXPIRED and BUDGET_EXHAUSTED never are: peers refuse anything else.
 * (X3) `message` is never empty and `details` always an object: peers refuse anything else.
 */
import { ERRORS, type ErrorCode, type ErrorPayload } from '../errors.js';
import { isJsonObject, type JsonObject } from '../scalars.js';

interface DraftErrorRule {
  /** The native code that means the same. */
  readonly native: ErrorCode;
  /** Where the draft leaves no choice. */
  readonly retryable?: boolean;
}

export const DRAFT_ERRORS = {
  PERMISSION_DENIED: { native: 'PERMISSION_DENIED' },
  LEASE_SUBSET_VIOLATION: { native: 'LEASE_SUBSET_VIOLATION' },
  JOB_NOT_FOUND: { native: 'NOT_FOUND' },
  DUPLICATE_KEY: { native: 'DUPLICATE_KEY' },
  AGENT_NOT_AVAILABLE: { native: 'AGENT_NOT_AVAILABLE' },
  AGENT_VERSION_NOT_AVAILABLE: { native: 'AGENT_VERSION_NOT_AVAILABLE' },
  CANCELLED: { native: 'CANCELLED' },
  TIMEOUT: { native: 'TIMEOUT' },
  RESUME_WINDOW_EXPIRED: { native: 'RESUME_WINDOW_EXPIRED' },
  HEARTBEAT_LOST: { native: 'HEARTBEAT_LOST' },
  LEASE_EXPIRED: { native: 'LEASE_EXPIRED', retryable: false },
  BUDGET_EXHAUSTED: { native: 'BUDGET_EXHAUSTED', retryable: false },
  INVALID_REQUEST: { native: 'INVALID_REQUEST' },
  UNAUTHENTICATED: { native: 'UNAUTHENTICATED' },
  INTERNAL_ERROR: { native: 'INTERNAL', retryable: true },
} as const satisfies Record<string, DraftErrorRule>;

export type DraftErrorCode = keyof typeof DRAFT_ERRORS;

export const DRAFT_ERROR_CODES = Object.keys(DRAFT_ERRORS) as [DraftErrorCode, ...DraftErrorCode[]];

/** Whether the draft knows the code. Members that every object has are not codes. */
export function isDraftErrorCode(code: string): code is DraftErrorCode {
  return Object.hasOwn(DRAFT_ERRORS, code);
}

/** For native codes that the draft does not have by that name. */
const STAND_INS = {
  OK: 'INTERNAL_ERROR',
  UNKNOWN: 'INTERNAL_ERROR',
  INVALID_ARGUMENT: 'INVALID_REQUEST',
  DEADLINE_EXCEEDED: 'TIMEOUT',
  NOT_FOUND: 'JOB_NOT_FOUND',
  ALREADY_EXISTS: 'INVALID_REQUEST',
  RESOURCE_EXHAUSTED: 'INTERNAL_ERROR',
  FAILED_PRECONDITION: 'INVALID_REQUEST',
  ABORTED: 'INTERNAL_ERROR',
  OUT_OF_RANGE: 'INVALID_REQUEST',
  UNIMPLEMENTED: 'INVALID_REQUEST',
  INTERNAL: 'INTERNAL_ERROR',
  UNAVAILABLE: 'INTERNAL_ERROR',
  DATA_LOSS: 'INTERNAL_ERROR',
  LEASE_REVOKED: 'PERMISSION_DENIED',
  BACKPRESSURE_OVERFLOW: 'INTERNAL_ERROR',
} as const satisfies Record<Exclude<ErrorCode, DraftErrorCode>, DraftErrorCode>;

const TO_DRAFT: ReadonlyMap<string, DraftErrorCode> = new Map<string, DraftErrorCode>([
  ...DRAFT_ERROR_CODES.map((code) => [code, code] as const),
  ...Object.entries(STAND_INS),
]);

/** What stands for a native code (X1); INTERNAL_ERROR for one that nobody knows. */
export function toDraftCode(code: string): DraftErrorCode {
  return TO_DRAFT.get(code) ?? 'INTERNAL_ERROR';
}

/** The native code that a draft code means; UNKNOWN for a vendor's. */
export function fromDraftCode(code: string): ErrorCode {
  return isDraftErrorCode(code) ? DRAFT_ERRORS[code].native : 'UNKNOWN';
}

export interface DraftError {
  readonly code: DraftErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly details?: JsonObject;
}

/** A native error in the draft's words. `more` is added to its details. */
export function toDraftError(error: ErrorPayload, more: JsonObject = {}): DraftError {
  const code = toDraftCode(error.code);
  const rule: DraftErrorRule = DRAFT_ERRORS[code];
  const details = {
    ...(error.details === undefined
      ? {}
      : isJsonObject(error.details)
        ? error.details
        : { details: error.details }),
    ...(code === error.code || error.code === 'INTERNAL' ? {} : { native_code: error.code }),
    ...more,
  };
  return {
    code,
    message: error.message === '' ? code : error.message,
    retryable: rule.retryable ?? error.retryable ?? ERRORS[error.code].retryable,
    ...(Object.keys(details).length === 0 ? {} : { details }),
  };
}
