/**
 * References to secrets. The value behind one is found just before it is used and stands in no protocol value
 * (fleet.rs `FleetSecretRef`).
 */
import * as z from 'zod';
import { text } from '../scalars.js';
import { maybe } from './shapes.js';

/** White space in the sense of Unicode, as Rust's `trim` has it; JavaScript's differs in two characters. */
const BLANK = /^\p{White_Space}*$/u;

const key = z.custom<string>(
  (value) => typeof value === 'string' && value.isWellFormed() && !BLANK.test(value),
  'expected the name of a secret, not blank',
);

const EXPECTED = 'expected the name of a secret, or an object with its key';

const structured = z.object({
  /** The secret's name, e.g. `GH_TOKEN`. */
  key,
  /** Where to look: `env`, `keyring` or `file`; everywhere, where it is absent. */
  source: maybe(text),
});

/** A bare name, or `{key, source?}`; written as an object. */
export const fleetSecretRef = z
  .union([z.custom<string>((given) => typeof given === 'string', EXPECTED), structured], EXPECTED)
  .transform((given, ctx): z.output<typeof structured> => {
    if (typeof given !== 'string') return given;
    const read = key.safeParse(given);
    if (read.success) return { key: read.data };
    for (const issue of read.error.issues) ctx.issues.push({ ...issue, input: undefined });
    return z.NEVER;
  });

export type FleetSecretRef = z.output<typeof fleetSecretRef>;

/** The form for logs and errors: the name and the source, never the value. */
export function redactedSecretRef({ key: name, source }: FleetSecretRef): string {
  return source === undefined ? `<secret:${name}>` : `<secret:${source}.${name}>`;
}
