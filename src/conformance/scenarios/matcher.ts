/**
 * What a scenario expects of a value, as JSON (`spec-fixtures/README.md`, Scenarios).
 *
 * (M1) An object asks for the fields that it names and leaves the others free; a list asks for as many members as it has,
 *      each as it says; anything else asks for itself.
 * (M2) An object whose only key begins with `$` is one of the operators below. No other `$` key is taken, so that a
 *      misspelt operator is a fault of the file and never matches.
 * (M3) Regular expressions come from our own fixture files only, never from the wire.
 */
import { isDeepStrictEqual } from 'node:util';

export type Matcher = unknown;
export type JsonMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Operator {
  /** What is wrong with the operand; nothing when it is right. */
  readonly fault: (operand: unknown) => string | undefined;
  /** Why the value does not match; nothing when it does. */
  readonly mismatch: (operand: never, value: unknown, path: string) => string | undefined;
  /** Whether the operand is made of matchers itself. */
  readonly nests?: true;
}

const KINDS = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'] as const;
type Kind = (typeof KINDS)[number];

function isKind(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isMap(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === kind;
  }
}

function isTrue(operand: unknown): string | undefined {
  return operand === true ? undefined : 'expected true';
}

function someMatchers(operand: unknown): string | undefined {
  return Array.isArray(operand) && operand.length > 0 ? undefined : 'expected a list of matchers';
}

type Bounds = readonly [number | null, number | null];

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  [
    '$absent',
    { fault: isTrue, mismatch: (_, value, path) => found(value === undefined, path, value, 'nothing') },
  ],
  [
    '$any',
    { fault: isTrue, mismatch: (_, value, path) => found(value !== undefined, path, value, 'some value') },
  ],
  [
    '$type',
    {
      fault: (kind) => (KINDS.includes(kind as Kind) ? undefined : `expected one of ${KINDS.join(', ')}`),
      mismatch: (kind: Kind, value, path) =>
        found(isKind(kind, value), path, value, `a value of type ${kind}`),
    },
  ],
  [
    '$range',
    {
      fault: (range) =>
        Array.isArray(range) &&
        range.length === 2 &&
        range.every((bound) => bound === null || typeof bound === 'number')
          ? undefined
          : 'expected [least or null, most or null]',
      mismatch: ([least, most]: Bounds, value, path) =>
        found(
          typeof value === 'number' && value >= (least ?? -Infinity) && value <= (most ?? Infinity),
          path,
          value,
          `a number from ${least ?? 'anywhere'} to ${most ?? 'anywhere'}`,
        ),
    },
  ],
  [
    '$pattern',
    {
      fault: (source) =>
        typeof source === 'string' && isPattern(source) ? undefined : 'expected a regular expression',
      mismatch: (source: string, value, path) =>
        found(
          typeof value === 'string' && new RegExp(source, 'u').test(value),
          path,
          value,
          `text like /${source}/`,
        ),
    },
  ],
  [
    '$timestamp',
    {
      fault: isTrue,
      mismatch: (_, value, path) =>
        found(
          typeof value === 'string' && RFC3339.test(value),
          path,
          value,
          'an RFC 3339 date-time with offset',
        ),
    },
  ],
  [
    '$exactly',
    {
      fault: () => undefined,
      mismatch: (operand: unknown, value, path) =>
        found(isDeepStrictEqual(value, operand), path, value, `exactly ${shown(operand)}`),
    },
  ],
  [
    '$one_of',
    {
      nests: true,
      fault: someMatchers,
      mismatch: (matchers: readonly Matcher[], value, path) =>
        found(
          matchers.some((one) => mismatch(one, value, path) === undefined),
          path,
          value,
          `one of ${matchers.map(shown).join(', ')}`,
        ),
    },
  ],
  [
    '$all_of',
    {
      nests: true,
      fault: someMatchers,
      mismatch: (matchers: readonly Matcher[], value, path) => {
        for (const one of matchers) {
          const reason = mismatch(one, value, path);
          if (reason !== undefined) return reason;
        }
        return undefined;
      },
    },
  ],
  [
    '$not',
    {
      nests: true,
      fault: () => undefined,
      mismatch: (matcher, value, path) =>
        found(mismatch(matcher, value, path) !== undefined, path, value, `anything but ${shown(matcher)}`),
    },
  ],
  [
    '$contains',
    {
      nests: true,
      fault: () => undefined,
      mismatch: (matcher: Matcher, value, path) =>
        found(
          typeof value === 'string' && typeof matcher === 'string'
            ? value.includes(matcher)
            : Array.isArray(value) && value.some((member) => mismatch(matcher, member, path) === undefined),
          path,
          value,
          `something that contains ${shown(matcher)}`,
        ),
    },
  ],
  [
    '$length',
    {
      nests: true,
      fault: () => undefined,
      mismatch: (matcher: Matcher, value, path) =>
        Array.isArray(value) || typeof value === 'string'
          ? mismatch(matcher, value.length, `${path}.length`)
          : found(false, path, value, 'something with a length'),
    },
  ],
]);

function isPattern(source: string): boolean {
  try {
    return new RegExp(source, 'u').source !== '';
  } catch {
    return false;
  }
}

/** The longest text of a value in an explanation. */
const MAX_SHOWN = 300;

/** A value as JSON, cut where it is long. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function found(matches: boolean, path: string, value: unknown, wanted: string): string | undefined {
  return matches ? undefined : `${path}: expected ${wanted}, found ${shown(value)}`;
}

function operatorOf(matcher: JsonMap): readonly [Operator, unknown] | undefined {
  const [key, ...others] = Object.keys(matcher);
  if (key === undefined || others.length > 0) return undefined;
  const operator = OPERATORS.get(key);
  return operator === undefined ? undefined : [operator, matcher[key]];
}

/** Why `value` is not what `matcher` asks for, with the place; nothing when it is. */
export function mismatch(matcher: Matcher, value: unknown, path = 'frame'): string | undefined {
  if (Array.isArray(matcher)) {
    if (!Array.isArray(value) || value.length !== matcher.length)
      return found(false, path, value, `a list of ${matcher.length}`);
    for (const [index, one] of matcher.entries()) {
      const reason = mismatch(one, value[index], `${path}[${index}]`);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }
  if (!isMap(matcher)) return found(Object.is(matcher, value), path, value, shown(matcher));
  const operator = operatorOf(matcher);
  if (operator !== undefined) return operator[0].mismatch(operator[1] as never, value, path);
  if (!isMap(value)) return found(false, path, value, 'an object');
  for (const [key, one] of Object.entries(matcher)) {
    const reason = mismatch(one, Object.hasOwn(value, key) ? value[key] : undefined, `${path}.${key}`);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Every fault of a matcher itself (M2), with its place. */
export function faultsOf(matcher: Matcher, path: string): string[] {
  if (Array.isArray(matcher)) return matcher.flatMap((one, index) => faultsOf(one, `${path}[${index}]`));
  if (!isMap(matcher)) return [];
  const dollars = Object.keys(matcher).filter((key) => key.startsWith('$'));
  const [key] = dollars;
  if (key === undefined)
    return Object.entries(matcher).flatMap(([name, one]) => faultsOf(one, `${path}.${name}`));
  const operator = OPERATORS.get(key);
  if (operator === undefined) return [`${path}: there is no operator ${key}`];
  if (Object.keys(matcher).length > 1) return [`${path}: ${key} stands alone`];
  const fault = operator.fault(matcher[key]);
  if (fault !== undefined) return [`${path}.${key}: ${fault}`];
  return operator.nests === true ? faultsOf(matcher[key], `${path}.${key}`) : [];
}
