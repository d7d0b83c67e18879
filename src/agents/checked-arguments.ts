import type { ZodType } from 'zod';
import { ArcpError } from '../protocol/errors.js';

/** Complaints of a schema that are told; more help nobody. */
const MAX_ISSUES = 20;

/** What a schema makes of arguments. Throws INVALID_ARGUMENT, or what a broken schema throws. */
export function checkedArguments(schema: ZodType | undefined, args: unknown): unknown {
  if (schema === undefined) return args;
  const checked = schema.safeParse(args);
  if (checked.success) return checked.data;
  const issues = checked.error.issues
    .slice(0, MAX_ISSUES)
    .map(({ path, message }) => ({ path: ['arguments', ...path].map(String).join('.'), message }));
  const [first = { path: 'arguments', message: 'does not fit' }] = issues;
  throw new ArcpError('INVALID_ARGUMENT', `${first.path}: ${first.message}`, { details: { issues } });
}
