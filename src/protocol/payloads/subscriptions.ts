/** Subscriptions (RFC 0001 §13). */
import * as z from 'zod';
import { isErrorCode } from '../errors.js';
import { PRIORITIES } from '../priority.js';
import {
  anyObject,
  defaulted,
  id,
  knownErrorCode,
  list,
  nonEmptyText,
  oneOf,
  optional,
  text,
} from '../scalars.js';

/** Fields are ANDed, the members of one ORed; an empty list asks for nothing in particular. */
const filter = z.object({
  session_id: defaulted(list(id('session')), () => []),
  trace_id: defaulted(list(nonEmptyText), () => []),
  job_id: defaulted(list(id('job')), () => []),
  stream_id: defaulted(list(id('stream')), () => []),
  types: defaulted(list(nonEmptyText), () => []),
  min_priority: optional(oneOf(PRIORITIES)),
});

export const subscribe = z.object({
  filter: defaulted(filter, () => filter.parse({})),
  since: optional(
    z.object({ after_message_id: optional(nonEmptyText), checkpoint_id: optional(nonEmptyText) }),
  ),
});

export const subscribeAccepted = z.object({ subscription_id: id('subscription') });

/** `event` is a whole envelope, as it was sent. */
export const subscribeEvent = z.object({ event: anyObject });

export const unsubscribe = z.object({ subscription_id: id('subscription') });

/** Without a `code`, the one that the `reason` names, or `OK`. */
export const subscribeClosed = z
  .object({ subscription_id: id('subscription'), code: optional(nonEmptyText), reason: text })
  .transform(({ code, ...rest }) => ({
    ...rest,
    code: code === undefined ? codeOf(rest.reason) : knownErrorCode(code),
  }));

function codeOf(reason: string) {
  return isErrorCode(reason) ? reason : 'OK';
}
