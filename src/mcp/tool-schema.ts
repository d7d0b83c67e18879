/**
 * The JSON Schema of a tool's arguments, which are checked before the call. Schemas come from servers that the operator
 * chose, arguments from anybody, and checking the one against the other must not stall the runtime.
 *
 * (S1) What is checked is a copy in which each `$ref` is written out, so that each subschema meets each part of the
 *      arguments at most once. Where a schema refers to itself, what is below is left to the server.
 * (S2) No regular expression is run: `pattern` and `patternProperties` are left to the server, and so is what depends on
 *      them (`additionalProperties` beside `patternProperties`, `unevaluated…`). A format is checked where that is linear.
 * (S3) The size of the schema times the parts of the arguments is bounded; beyond, all of it is left to the server.
 *
 * Whatever is left to the server, it checks itself: this is for an early and clear answer.
 */
import { Validator, type Schema } from '@cfworker/json-schema';
import * as z from 'zod';
import { cutComplaint, MAX_COMPLAINTS, MAX_SCHEMA_STEPS, partsOf } from '../protocol/foreign-schema.js';
import { isJsonObject, type JsonObject } from '../protocol/scalars.js';

/** Left to the server (S2), or of no meaning once references are written out. */
const DROPPED: ReadonlySet<string> = new Set([
  'pattern',
  'patternProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
  '$ref',
  '$dynamicRef',
  '$recursiveRef',
  '$anchor',
  '$dynamicAnchor',
  '$id',
  'id',
  '$defs',
  'definitions',
  '$schema',
  '$vocabulary',
]);

const FORMATS: ReadonlySet<unknown> = new Set([
  'date',
  'time',
  'date-time',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uuid',
]);

/** Keywords under which values stand and no schemas. */
const VALUES: ReadonlySet<string> = new Set(['enum', 'const', 'default', 'examples', 'required', 'type']);

/** Checks arguments; a zod schema, as agents have. */
export function toolInput(schema: unknown, maxNodes: number): z.ZodType {
  const copy = new Copy(schema, maxNodes).made;
  const object = z.record(z.string(), z.unknown(), 'expected an object');
  if (copy === undefined) return object;
  const validator = new Validator(copy.schema, draftOf(schema));
  return object.superRefine((args, ctx) => {
    if (partsOf(args) * copy.nodes > MAX_SCHEMA_STEPS) return;
    const { valid, errors } = validator.validate(args);
    if (valid) return;
    // The last errors are the most particular: those of a property come after those of the object.
    for (const { instanceLocation, error } of errors.slice(-MAX_COMPLAINTS).reverse()) {
      ctx.addIssue({ code: 'custom', path: pathOf(instanceLocation), message: cutComplaint(error) });
    }
  });
}

function draftOf(schema: unknown): '7' | '2020-12' {
  const uri = isJsonObject(schema) ? schema['$schema'] : undefined;
  return typeof uri === 'string' && /draft-0[467]/.test(uri) ? '7' : '2020-12';
}

function pathOf(location: string): string[] {
  const steps = location.split('/').slice(1);
  return steps.map((step) => decodeURIComponentSafely(step).replaceAll('~1', '/').replaceAll('~0', '~'));
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** (S1) */
class Copy {
  readonly #root: unknown;
  readonly #maxNodes: number;
  #nodes = 0;
  readonly made: { readonly schema: Schema; readonly nodes: number } | undefined;

  constructor(root: unknown, maxNodes: number) {
    this.#root = root;
    this.#maxNodes = maxNodes;
    try {
      this.made = { schema: this.#copy(root, []) as Schema, nodes: this.#nodes };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }

  #copy(schema: unknown, above: readonly unknown[]): unknown {
    this.#nodes += 1;
    if (this.#nodes > this.#maxNodes) throw new RangeError('too large');
    if (!isJsonObject(schema)) return typeof schema === 'boolean' ? schema : {};
    if (above.includes(schema)) return {};
    const here = [...above, schema];
    const copied = Object.entries(schema).flatMap(([keyword, value]): [string, unknown][] => {
      if (DROPPED.has(keyword) || (keyword === 'format' && !FORMATS.has(value))) return [];
      if (keyword === 'additionalProperties' && Object.hasOwn(schema, 'patternProperties')) return [];
      return [[keyword, VALUES.has(keyword) ? structuredClone(value) : this.#below(keyword, value, here)]];
    });
    const copy = Object.fromEntries(copied);
    const { $ref } = schema;
    if ($ref === undefined) return copy;
    return { allOf: [copy, this.#copy(this.#find($ref), here)] };
  }

  #below(keyword: string, value: unknown, above: readonly unknown[]): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#copy(one, above));
    if (!isJsonObject(value)) return value;
    if (!['properties', 'dependentSchemas', 'dependentRequired', 'dependencies'].includes(keyword))
      return this.#copy(value, above);
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [
        name,
        Array.isArray(one) ? structuredClone(one) : this.#copy(one, above),
      ]),
    );
  }

  /** What a reference within the schema means; anything for others. */
  #find(ref: unknown): unknown {
    if (typeof ref !== 'string' || !(ref === '#' || ref.startsWith('#/'))) return true;
    let here: unknown = this.#root;
    for (const step of pathOf(ref)) {
      if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return true;
      here = (here as JsonObject)[step];
    }
    return here;
  }
}
