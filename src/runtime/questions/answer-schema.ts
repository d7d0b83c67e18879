/**
 * The JSON Schema (2020-12) that an answer must satisfy. Schemas come from agents, answers from clients, and checking the
 * one against the other must not stall the runtime, whoever means ill.
 *
 * (S1) A schema is checked when the question is asked: a keyword that is unknown, or of the wrong form, is refused then.
 *      Nothing is ignored, so a typing error does not let every answer pass.
 * (S2) No regular expression of anybody's is run (`pattern`, `patternProperties`), and nothing is followed (`$ref` and
 *      its kin): each subschema meets each part of an answer at most once. Formats are those of `FORMATS`.
 * (S3) The length of the schema times the parts of the answer is at most `MAX_SCHEMA_STEPS`; beyond, the answer is refused
 *      unchecked.
 */
import { Validator, type Schema } from '@cfworker/json-schema';
import { ArcpError } from '../../protocol/errors.js';
import { cutComplaint, MAX_COMPLAINTS, MAX_SCHEMA_STEPS, partsOf } from '../../protocol/foreign-schema.js';
import { isJsonObject } from '../../protocol/scalars.js';

/** What may stand under a keyword. */
type Form =
  | 'schema'
  | 'schemas'
  | 'schemas-by-name'
  | 'number'
  | 'count'
  | 'flag'
  | 'text'
  | 'names'
  | 'names-by-name'
  | 'values'
  | 'types'
  | 'format'
  | 'anything';

const KEYWORDS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ['type', 'types'],
  ['enum', 'values'],
  ['const', 'anything'],
  ['allOf', 'schemas'],
  ['anyOf', 'schemas'],
  ['oneOf', 'schemas'],
  ['not', 'schema'],
  ['if', 'schema'],
  ['then', 'schema'],
  ['else', 'schema'],
  ['properties', 'schemas-by-name'],
  ['additionalProperties', 'schema'],
  ['propertyNames', 'schema'],
  ['dependentSchemas', 'schemas-by-name'],
  ['dependentRequired', 'names-by-name'],
  ['required', 'names'],
  ['minProperties', 'count'],
  ['maxProperties', 'count'],
  ['items', 'schema'],
  ['prefixItems', 'schemas'],
  ['contains', 'schema'],
  ['minContains', 'count'],
  ['maxContains', 'count'],
  ['minItems', 'count'],
  ['maxItems', 'count'],
  ['uniqueItems', 'flag'],
  ['minimum', 'number'],
  ['maximum', 'number'],
  ['exclusiveMinimum', 'number'],
  ['exclusiveMaximum', 'number'],
  ['multipleOf', 'number'],
  ['minLength', 'count'],
  ['maxLength', 'count'],
  ['format', 'format'],
  ['title', 'text'],
  ['description', 'text'],
  ['$comment', 'text'],
  ['$schema', 'text'],
  ['default', 'anything'],
  ['examples', 'values'],
  ['deprecated', 'flag'],
  ['readOnly', 'flag'],
  ['writeOnly', 'flag'],
]);

const TYPES: ReadonlySet<unknown> = new Set([
  'null',
  'boolean',
  'number',
  'integer',
  'string',
  'array',
  'object',
]);

/** Those that the library checks in time that is linear in the text. */
const FORMATS: ReadonlySet<unknown> = new Set([
  'date',
  'time',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uuid',
]);

const WHY_NOT: ReadonlyMap<string, string> = new Map([
  ['pattern', 'a regular expression can stall the runtime; check the answer in the agent'],
  ['patternProperties', 'a regular expression can stall the runtime; check the answer in the agent'],
  ['$ref', 'write out what it refers to'],
]);

/** Checks answers against one schema. */
export class AnswerSchema {
  readonly #validator: Validator;
  /** Of its text, in UTF-16 units. */
  readonly #length: number;
  readonly #comparesItems: boolean;

  /** Throws INVALID_ARGUMENT, with the place, for a schema that is malformed or not taken (S1, S2). */
  constructor(schema: unknown) {
    const walk = new SchemaWalk();
    walk.schema(schema, 'schema');
    const text = JSON.stringify(schema);
    this.#length = text.length;
    // A copy: the library marks the objects that it is given.
    this.#validator = new Validator(JSON.parse(text) as Schema | boolean, '2020-12');
    this.#comparesItems = walk.comparesItems;
  }

  /** Throws INVALID_ARGUMENT with the schema's complaints when the answer does not satisfy it. */
  check(answer: unknown): void {
    const parts = partsOf(answer);
    const length = this.#comparesItems ? Math.max(this.#length, parts) : this.#length;
    if (parts * length > MAX_SCHEMA_STEPS) {
      throw new ArcpError('INVALID_ARGUMENT', `the answer has ${parts} parts: too many to be checked`);
    }
    const { valid, errors } = this.#validator.validate(answer);
    if (valid) return;
    const complaints = errors.slice(0, MAX_COMPLAINTS).map(({ instanceLocation, error }) => ({
      at: instanceLocation.slice(1),
      message: cutComplaint(error),
    }));
    const [first] = complaints;
    const place =
      first === undefined || first.at === '' ? 'the answer' : `the answer at ${cutComplaint(first.at)}`;
    const message = `${place} does not fit: ${first?.message ?? 'no value does'}`;
    throw new ArcpError('INVALID_ARGUMENT', message, { details: { complaints } });
  }
}

class SchemaWalk {
  /** Whether items are compared with one another. */
  comparesItems = false;

  schema(schema: unknown, at: string): void {
    if (typeof schema === 'boolean') return;
    if (!isJsonObject(schema)) refuse(at, 'expected an object, true or false');
    for (const [keyword, value] of Object.entries(schema)) {
      const form = KEYWORDS.get(keyword);
      const place = `${at}.${keyword}`;
      if (form === undefined) refuse(place, WHY_NOT.get(keyword) ?? 'not a keyword that is taken here');
      this.#value(form, value, place);
    }
    if (schema['uniqueItems'] === true) this.comparesItems = true;
  }

  #value(form: Form, value: unknown, at: string): void {
    switch (form) {
      case 'schema':
        this.schema(value, at);
        break;
      case 'schemas':
        if (!Array.isArray(value) || value.length === 0) refuse(at, 'expected a list of schemas');
        for (const [index, one] of value.entries()) this.schema(one, `${at}.${index}`);
        break;
      case 'schemas-by-name':
        if (!isJsonObject(value)) refuse(at, 'expected an object of schemas');
        for (const [name, one] of Object.entries(value)) this.schema(one, `${at}.${name}`);
        break;
      case 'number':
        if (typeof value !== 'number' || (at.endsWith('.multipleOf') && value <= 0))
          refuse(at, 'expected a number');
        break;
      case 'count':
        if (!Number.isSafeInteger(value) || (value as number) < 0) refuse(at, 'expected an integer from 0');
        break;
      case 'flag':
        if (typeof value !== 'boolean') refuse(at, 'expected true or false');
        break;
      case 'text':
        if (typeof value !== 'string') refuse(at, 'expected text');
        break;
      case 'names':
        if (!isNames(value)) refuse(at, 'expected a list of names');
        break;
      case 'names-by-name':
        if (!isJsonObject(value) || !Object.values(value).every(isNames))
          refuse(at, 'expected an object of lists of names');
        break;
      case 'values':
        if (!Array.isArray(value) || value.length === 0) refuse(at, 'expected a list of values');
        break;
      case 'types': {
        const types: readonly unknown[] = Array.isArray(value) ? value : [value];
        if (types.length === 0 || !types.every((one) => TYPES.has(one)))
          refuse(at, `expected one of ${[...TYPES].join(', ')}`);
        break;
      }
      case 'format':
        if (!FORMATS.has(value)) refuse(at, `expected one of ${[...FORMATS].join(', ')}`);
        break;
      case 'anything':
        break;
    }
  }
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function refuse(at: string, what: string): never {
  throw new ArcpError('INVALID_ARGUMENT', `${cutComplaint(at)}: ${what}`);
}
