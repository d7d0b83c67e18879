/** Schemas of answers: what is taken, what is refused, and that neither side can stall the runtime (S1 to S3). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArcpError } from '../../../src/index.js';
import { AnswerSchema } from '../../../src/runtime/questions/answer-schema.js';

function fits(schema: unknown, answer: unknown): boolean {
  try {
    new AnswerSchema(schema).check(answer);
    return true;
  } catch (error) {
    if (error instanceof ArcpError && error.code === 'INVALID_ARGUMENT') return false;
    throw error;
  }
}

describe('an answer', () => {
  it.each([
    [true, 'anything', true],
    [false, 'anything', false],
    [{}, null, true],
    [{ type: 'string', minLength: 2, maxLength: 3 }, 'ab', true],
    [{ type: 'string', minLength: 2 }, 'a', false],
    [{ type: ['string', 'null'] }, null, true],
    [{ enum: ['a', { b: 1 }] }, { b: 1 }, true],
    [{ enum: ['a', { b: 1 }] }, { b: 2 }, false],
    [{ const: 1 }, 1, true],
    [{ type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] }, { a: 1, b: 2 }, true],
    [{ type: 'object', properties: { a: {} }, additionalProperties: false }, { a: 1, b: 2 }, false],
    [{ type: 'object', required: ['toString'] }, {}, false],
    [{ type: 'object', properties: { constructor: { type: 'string' } } }, {}, true],
    [{ type: 'array', items: { type: 'number' }, uniqueItems: true }, [1, 2, 1], false],
    [{ type: 'array', prefixItems: [{ type: 'string' }], items: false }, ['a'], true],
    [{ anyOf: [{ type: 'string' }, { minimum: 5 }] }, 4, false],
    [{ oneOf: [{ minimum: 1 }, { minimum: 5 }] }, 6, false],
    [{ not: { type: 'null' } }, null, false],
    [{ if: { type: 'string' }, then: { minLength: 1 } }, '', false],
    [{ format: 'email' }, 'ada@example.org', true],
    [{ format: 'email' }, 'ada', false],
    [{ format: 'date' }, '2026-02-30', false],
    [{ format: 'uuid' }, '123e4567-e89b-12d3-a456-426614174000', true],
    [{ multipleOf: 0.25 }, 0.5, true],
  ])('under %j: %j fits: %s', (schema, answer, expected) => {
    expect(fits(schema, answer)).toBe(expected);
  });

  it('is told what is wrong with it, and where', () => {
    const schema = new AnswerSchema({
      type: 'object',
      properties: { lines: { type: 'array', items: { type: 'string' } } },
    });
    expect(() => schema.check({ lines: ['a', 1] })).toThrow(/the answer/);
    try {
      schema.check({ lines: ['a', 1] });
    } catch (error) {
      const { complaints } = (error as ArcpError).details as {
        complaints: { at: string; message: string }[];
      };
      expect(complaints.at(-1)).toEqual({
        at: '/lines/1',
        message: expect.stringContaining('number') as string,
      });
    }
  });
});

describe('a schema is refused when the question is asked (S1, S2)', () => {
  it.each([
    [null, 'schema: expected an object'],
    ['string', 'schema: expected an object'],
    [{ typ: 'string' }, 'schema.typ: not a keyword'],
    [{ type: 'text' }, 'schema.type: expected one of'],
    [{ required: 'a' }, 'schema.required: expected a list of names'],
    [{ enum: 'abc' }, 'schema.enum: expected a list'],
    [{ properties: { a: { minimum: '1' } } }, 'schema.properties.a.minimum: expected a number'],
    [{ items: [{ type: 'string' }] }, 'schema.items: expected an object'],
    [{ anyOf: [{}, { minLength: -1 }] }, 'schema.anyOf.1.minLength'],
    [{ format: 'regex' }, 'schema.format'],
    [{ multipleOf: 0 }, 'schema.multipleOf'],
    [{ pattern: '^(a+)+$' }, 'a regular expression can stall the runtime'],
    [{ properties: { a: { patternProperties: {} } } }, 'a regular expression can stall the runtime'],
    [{ $ref: '#' }, 'write out what it refers to'],
    [{ $defs: {} }, 'schema.$defs: not a keyword'],
    [{ $id: 'https://example.org/' }, 'schema.$id: not a keyword'],
    [{ unevaluatedProperties: false }, 'not a keyword'],
  ])('%j: %s', (schema, message) => {
    expect(() => new AnswerSchema(schema)).toThrow(message);
  });

  it('never throws anything but INVALID_ARGUMENT, whatever the schema and the answer', () => {
    const keyword = fc.constantFrom(
      'type',
      'enum',
      'items',
      'properties',
      'anyOf',
      'required',
      'minimum',
      'not',
      'const',
      'format',
      'contains',
      'if',
      'dependentRequired',
    );
    const schema = fc.letrec((tie) => ({
      schema: fc.oneof(
        { depthSize: 'small' },
        fc.boolean(),
        fc.dictionary(
          keyword,
          fc.oneof(
            fc.jsonValue(),
            tie('schema'),
            fc.array(tie('schema')),
            fc.dictionary(fc.string(), tie('schema')),
          ),
        ),
      ),
    })).schema;
    fc.assert(
      fc.property(schema, fc.jsonValue(), (some, answer) => {
        fits(some, answer);
      }),
    );
  });
});

describe('neither side can stall the runtime (S3)', () => {
  it('refuses an answer of more parts than are worth checking', () => {
    const many = Array.from({ length: 5_000 }, (_, at) => at);
    expect(fits({ type: 'array', uniqueItems: true }, many)).toBe(false);
    expect(fits({ type: 'array', items: { type: 'integer' } }, many)).toBe(true);
    expect(fits({ enum: [many] }, many)).toBe(false);
  });

  it.each(['date', 'time', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uri', 'uuid'])(
    'checks the longest text against %s in no time',
    (format) => {
      const schema = new AnswerSchema({ format });
      const began = performance.now();
      for (const unit of [
        'a',
        'a.',
        '1',
        ':',
        '/',
        '-',
        'http://a/',
        '%61',
        'a@',
        '1:',
        'P1D',
        '()',
        '[::',
      ]) {
        try {
          schema.check(`http://${unit.repeat(65_536 / unit.length)}\u0000`);
        } catch (error) {
          expect(error).toBeInstanceOf(ArcpError);
        }
        try {
          schema.check(`${unit.repeat(65_536 / unit.length)}\u0000`);
        } catch (error) {
          expect(error).toBeInstanceOf(ArcpError);
        }
      }
      // A quadratic check of 64 KiB takes minutes; this leaves room for a busy machine.
      expect(performance.now() - began).toBeLessThan(3_000);
    },
  );
});
