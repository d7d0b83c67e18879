/** Permissions and leases (RFC 0001 §15). */
import * as z from 'zod';
import { bool, counter, id, nonEmptyText, optional, text, timestamp } from '../scalars.js';

/** The permission that raises a budget: its resource is what is added, as `CURRENCY:amount`. */
export const BUDGET_PERMISSION = 'cost.budget';
export const BUDGET_OPERATION = 'raise';

const gate = { permission: nonEmptyText, resource: text, operation: text };

export const permissionRequest = z.object({
  ...gate,
  reason: optional(text),
  requested_lease_seconds: optional(counter),
  /** Until when an answer counts. */
  expires_at: optional(timestamp),
  /** What an agent that is started again knows its request by. */
  key: optional(nonEmptyText),
  /** From an agent outside of the runtime: whether the job may do it already is all that is asked, and nobody is asked. */
  check_only: optional(bool),
});

/**
 * How long is `lease_seconds` in one shape, an instant (`expires_at`) in the other. Neither follows from the other
 * without a clock, so whoever writes this gives both.
 */
export const permissionGrant = z.object({
  ...gate,
  lease_seconds: optional(counter),
  lease_id: optional(id('lease')),
  granted_by: optional(text),
  expires_at: optional(timestamp),
  /** An addition: of a model, who provides it. */
  provider: optional(text),
});

export const permissionDeny = z.object({
  permission: nonEmptyText,
  resource: optional(text),
  operation: optional(text),
  reason: text,
  /** Why, in a word of the error table, where it was not a person who said no. */
  code: optional(nonEmptyText),
});

export const leaseGranted = z.object({ lease_id: id('lease'), ...gate, expires_at: timestamp });

/** `additional_seconds` in one shape, `requested_seconds` in the other; written as both. */
export const leaseRefresh = z
  .object({
    lease_id: id('lease'),
    additional_seconds: optional(counter),
    requested_seconds: optional(counter),
  })
  .transform(({ lease_id, additional_seconds, requested_seconds }, ctx) => {
    const seconds = additional_seconds ?? requested_seconds;
    if (seconds === undefined) {
      const message = 'expected an integer from 0 to 9007199254740991';
      ctx.issues.push({ code: 'custom', path: ['additional_seconds'], message, input: undefined });
      return z.NEVER;
    }
    return { lease_id, additional_seconds: seconds, requested_seconds: requested_seconds ?? seconds };
  });

export const leaseExtended = z.object({ lease_id: id('lease'), expires_at: timestamp });

export const leaseRevoked = z.object({ lease_id: id('lease'), reason: text });
