/**
 * Artifacts (RFC 0001 §16), and what is larger than one message: in parts, which is an addition of ours. Who does not
 * know of it does not need it: `artifact.put` without `upload_id` and `artifact.fetch` without `offset` are the whole.
 *
 * (P1) The parts of one artifact have the same `upload_id`, which its sender makes up; `offset` says where a part's
 *      bytes begin, and the last part has no `more`. Each part is answered with `artifact.ref`: with `more` and the
 *      `offset` of the next one until the artifact is whole.
 * (P2) A part that is there already is answered as it was the first time, the last one too: whoever did not get an
 *      answer sends the part again. One that begins behind what is there is refused with OUT_OF_RANGE, whose
 *      `details.expected_offset` says where to go on.
 * (P3) `artifact.fetch` with an `offset` is answered with `artifact.put`: at most `limit` bytes from there, the `size`
 *      of the whole, and `more` where more follow.
 */
import * as z from 'zod';
import { encodeBase64 } from '../base64.js';
import { MAX_ID_LENGTH } from '../ids.js';
import { bool, counter, defaulted, id, nonEmptyText, oneOf, optional, text, timestamp } from '../scalars.js';

export const artifactFields = {
  artifact_id: id('artifact'),
  uri: text,
  media_type: nonEmptyText,
  /** Decoded bytes. */
  size: counter,
  sha256: optional(text),
  expires_at: optional(timestamp),
};

/** What an artifact is to those who hold its id. */
export type ArtifactRef = z.output<typeof reference>;

const uploadId = z.custom<string>(
  (value) =>
    typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH && value.isWellFormed(),
  `expected a string of 1 to ${MAX_ID_LENGTH} characters without lone surrogates`,
);

/** Bytes of one answer; at least one, so that whoever asks comes to an end. */
const limit = z.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) > 0,
  'expected an integer from 1 to 9007199254740991',
);

/**
 * One shape has `retain_seconds` and base64 only, the other `ttl_seconds` and an `encoding`; written as base64, with
 * the words of both.
 */
export const artifactPut = z
  .object({
    media_type: nonEmptyText,
    data: text,
    encoding: defaulted(oneOf(['base64', 'utf8']), () => 'base64' as const),
    artifact_id: optional(id('artifact')),
    sha256: optional(text),
    retain_seconds: optional(counter),
    ttl_seconds: optional(counter),
    /** Which artifact this is a part of (P1). */
    upload_id: optional(uploadId),
    /** Where `data` begins, in decoded bytes. */
    offset: optional(counter),
    /** Whether further parts follow; nothing when none do. */
    more: optional(bool),
    /** From an agent outside of the runtime: whether it is the result of its job. */
    is_result: optional(bool),
    /** Decoded bytes of the whole; in answers (P3). */
    size: optional(counter),
  })
  .transform(({ data, encoding, retain_seconds, ttl_seconds, ...rest }) => ({
    ...rest,
    data: encoding === 'utf8' ? encodeBase64(new TextEncoder().encode(data)) : data,
    encoding: 'base64' as const,
    ...retention(retain_seconds ?? ttl_seconds),
  }));

function retention(seconds: number | undefined): { retain_seconds?: number; ttl_seconds?: number } {
  return seconds === undefined ? {} : { retain_seconds: seconds, ttl_seconds: seconds };
}

export const artifactFetch = z.object({
  artifact_id: id('artifact'),
  /** In decoded bytes (P3). */
  offset: optional(counter),
  limit: optional(limit),
});

const reference = z.object(artifactFields);

/**
 * The fields are nested under `artifact` in one shape and flat in the other; written as both. While an artifact is put
 * in parts, `size` is what is there of it, and `offset` and `more` stand beside (P1).
 */
export const artifactRef = z
  .object({ artifact: optional(reference), offset: optional(counter), more: optional(bool) })
  .loose()
  .transform(({ artifact, offset, more, ...flat }, ctx) => {
    const progress = { ...(offset === undefined ? {} : { offset }), ...(more === undefined ? {} : { more }) };
    if (artifact !== undefined) return { artifact, ...artifact, ...progress };
    const read = reference.safeParse(flat);
    if (read.success) return { artifact: read.data, ...read.data, ...progress };
    for (const issue of read.error.issues) ctx.issues.push({ ...issue, input: undefined });
    return z.NEVER;
  });

export const artifactRelease = z.object({ artifact_id: id('artifact') });
