/** Artifacts (RFC 0001 §16). */
import * as z from 'zod';
import { encodeBase64 } from '../base64.js';
import { counter, defaulted, id, nonEmptyText, oneOf, optional, text, timestamp } from '../scalars.js';

export const artifactFields = {
  artifact_id: id('artifact'),
  uri: text,
  media_type: nonEmptyText,
  /** Decoded bytes. */
  size: counter,
  sha256: optional(text),
  expires_at: optional(timestamp),
};

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

export const artifactFetch = z.object({ artifact_id: id('artifact') });

const reference = z.object(artifactFields);

/** The fields are nested under `artifact` in one shape and flat in the other; written as both. */
export const artifactRef = z
  .object({ artifact: optional(reference) })
  .loose()
  .transform(({ artifact, ...flat }, ctx) => {
    if (artifact !== undefined) return { artifact, ...artifact };
    const read = reference.safeParse(flat);
    if (read.success) return { artifact: read.data, ...read.data };
    for (const issue of read.error.issues) ctx.issues.push({ ...issue, input: undefined });
    return z.NEVER;
  });

export const artifactRelease = z.object({ artifact_id: id('artifact') });
