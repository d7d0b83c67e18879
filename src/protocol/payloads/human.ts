/**
 * Questions to people (RFC 0001 §12). The runtime repeats the answer that it took as an event of the job, so that whoever
 * else was asked sees it, and a later life of the runtime too.
 */
import * as z from 'zod';
import {
  anyValue,
  defaulted,
  errorFields,
  list,
  nonEmptyText,
  optional,
  optionalValue,
  text,
  timestamp,
  withKnownCode,
} from '../scalars.js';

/** What an agent that is started again knows its question by. */
const questionKey = optional(nonEmptyText);

export const humanInputRequest = z.object({
  prompt: text,
  /** A JSON Schema that the answer must satisfy. */
  response_schema: anyValue,
  /** The answer when nobody gives one in time. */
  default: optionalValue,
  expires_at: timestamp,
  destination: optionalValue,
  key: questionKey,
});

const answeredBy = { responded_by: text, responded_at: timestamp };

export const humanInputResponse = z.object({ value: anyValue, ...answeredBy });

export const humanChoiceRequest = z.object({
  prompt: text,
  options: list(z.object({ id: nonEmptyText, label: text })).refine(
    (options) => options.length > 0,
    'expected at least one option',
  ),
  /** The `id` of the option that is taken when nobody chooses in time. */
  default: optional(text),
  expires_at: timestamp,
  destination: optionalValue,
  key: questionKey,
});

export const humanChoiceResponse = z.object({ choice_id: nonEmptyText, ...answeredBy });

export const humanInputCancelled = z
  .object({ ...errorFields, message: defaulted(text, () => '') })
  .transform(withKnownCode);
