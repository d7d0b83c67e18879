/** Turns what a schema found wrong into one short line for whoever sent it. Values are never repeated, only their place. */
import type * as z from 'zod';

type Issue = z.core.$ZodIssue;

/** Longest piece of foreign text that a message repeats, in UTF-16 units. */
const MAX_QUOTED = 80;

/** Most steps of a path that a message shows. */
const MAX_STEPS = 8;

/** A piece of foreign text, cut, quoted and escaped. */
export function quote(foreign: string): string {
  const cut = foreign.length > MAX_QUOTED;
  return cut ? `${JSON.stringify(foreign.slice(0, MAX_QUOTED))}…` : JSON.stringify(foreign);
}

/** `payload.options[2].label: expected a string …`, for the first of the issues. */
export function describeIssues(issues: readonly Issue[], payload: unknown): string {
  const [{ place, message } = { place: '', message: 'invalid' }] = problemsIn(issues.slice(0, 1), payload);
  return `payload${place}: ${message}`;
}

export interface Problem {
  readonly path: readonly PropertyKey[];
  /** The path as text: `.tasks[2].id`. */
  readonly place: string;
  readonly message: string;
}

/** All of the issues, for whoever can be told of more than one mistake at a time. */
export function problemsIn(issues: readonly Issue[], value: unknown): Problem[] {
  return issues.map((each) => {
    const { path, issue } = cause(each, []);
    const missing = valueAt(value, path) === undefined ? 'missing, ' : '';
    return {
      path,
      place: path.slice(0, MAX_STEPS).map(step).join(''),
      message: `${missing}${expectation(issue)}`,
    };
  });
}

interface Cause {
  readonly path: readonly PropertyKey[];
  readonly issue: Issue | undefined;
}

/** Of a union's branches the one that got furthest, since that is the one that was meant. */
function cause(issue: Issue | undefined, above: readonly PropertyKey[]): Cause {
  const path = issue === undefined ? above : [...above, ...issue.path];
  if (issue?.code !== 'invalid_union') return { path, issue };
  const branches = issue.errors.map((branch) => cause(branch[0], path));
  const furthest = branches.reduce<Cause | undefined>(
    (best, branch) => (best === undefined || branch.path.length > best.path.length ? branch : best),
    undefined,
  );
  return furthest ?? { path, issue };
}

function expectation(issue: Issue | undefined): string {
  if (issue?.code !== 'invalid_type' || issue.message.startsWith('expected '))
    return issue?.message ?? 'invalid';
  return issue.expected === 'array' ? 'expected an array' : `expected an ${issue.expected}`;
}

function step(key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`;
  const name = String(key);
  return /^[a-z_]{1,40}$/.test(name) ? `.${name}` : `[${quote(name)}]`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
