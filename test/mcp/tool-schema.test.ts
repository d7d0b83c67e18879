import { describe, expect, it } from 'vitest';
import { toolInput } from '../../src/mcp/tool-schema.js';

function complaints(schema: unknown, args: unknown, maxNodes = 1_000): string[] {
  const checked = toolInput(schema, maxNodes).safeParse(args);
  return checked.success ? [] : checked.error.issues.map(({ path }) => path.join('.'));
}

describe('the arguments of a tool', () => {
  it('are an object that fits the schema, references written out (S1)', () => {
    const schema = {
      type: 'object',
      properties: { a: { $ref: '#/definitions/n' }, 'b/c': { $ref: '#/definitions/n' } },
      required: ['a'],
      definitions: { n: { type: 'integer', minimum: 1 } },
    };
    expect(complaints(schema, { a: 1 })).toEqual([]);
    expect(complaints(schema, { a: 0 })).toContain('a');
    expect(complaints(schema, { a: 1, 'b/c': 'x' })).toContain('b/c');
    expect(complaints(schema, {})).toHaveLength(1);
    for (const wrong of [null, 'x', [], 3, undefined]) expect(complaints(schema, wrong)).toHaveLength(1);
  });

  it('are left to the server below where a schema refers to itself, or is too large', () => {
    const tree = { type: 'object', properties: { n: { type: 'number' }, below: { $ref: '#' } } };
    expect(complaints(tree, { n: 'x' })).toEqual(expect.arrayContaining(['n']));
    expect(complaints(tree, { below: { below: { n: 'x' } } })).toEqual([]);
    const many = {
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [i, { type: 'null' }])),
    };
    expect(complaints(many, { 1: 1 }, 1_000)).not.toEqual([]);
    expect(complaints(many, { 1: 1 }, 10)).toEqual([]);
  });

  it('are checked in no time, whatever the schema refers to and whatever its patterns are (S2, S3)', () => {
    const levels = Array.from({ length: 30 }, (_, i): [string, object] => [
      `l${i}`,
      { anyOf: [{ $ref: `#/$defs/l${i + 1}` }, { $ref: `#/$defs/l${i + 1}` }] },
    ]);
    const doubled = { $ref: '#/$defs/l0', $defs: { ...Object.fromEntries(levels), l30: { type: 'null' } } };
    const pattern = { properties: { word: { type: 'string', pattern: '^(a+)+$' } } };
    const before = performance.now();
    expect(complaints(doubled, {})).toEqual([]);
    expect(complaints(pattern, { word: `${'a'.repeat(60)}!` })).toEqual([]);
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  it('may have names that a pattern would allow', () => {
    const schema = { patternProperties: { '^x-': {} }, additionalProperties: false };
    expect(complaints(schema, { 'x-1': 1 })).toEqual([]);
  });
});
