import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArcpError } from '../../../src/protocol/errors.js';
import {
  FLEET_PROTOCOL_VERSION,
  FLEET_TYPES,
  readFleet,
  type FleetTypeName,
} from '../../../src/protocol/fleet/index.js';
import { unknownKeys } from '../../../src/protocol/fleet/shapes.js';
import { fixtureCases, type FixtureFile } from '../../spec-fixtures/load.js';
import { errorOf } from '../error-of.js';

interface Case {
  readonly type: FleetTypeName;
  readonly value: unknown;
  readonly expect: { readonly written: unknown } | { readonly refused: readonly string[] };
}

const FILES = [
  'fleet/alerts.json',
  'fleet/events.json',
  'fleet/runs.json',
  'fleet/tasks.json',
  'fleet/workers.json',
] as const satisfies FixtureFile[];

const cases = FILES.flatMap((file) => fixtureCases<Case>(file));

describe('the types of the fleet', () => {
  it.each(cases)('$id: $shows', ({ type, value, expect: expected }) => {
    if ('written' in expected) {
      const written = JSON.stringify(readFleet(type, value));
      expect(written, 'with the keys in their order').toBe(JSON.stringify(expected.written));
      expect(JSON.stringify(readFleet(type, JSON.parse(written))), '(F2)').toBe(written);
    } else {
      const error = errorOf(ArcpError, () => readFleet(type, value));
      expect(error.code).toBe('INVALID_ARGUMENT');
      const told = error.message.split('; ').map((one) => one.slice(type.length, one.indexOf(': ')));
      expect(told, error.message).toEqual(expected.refused);
    }
  });

  it('are all in the fixtures, taken and refused or unable to be refused', () => {
    const names = Object.keys(FLEET_TYPES).sort();
    const having = (outcome: string): string[] =>
      [...new Set(cases.filter((each) => outcome in each.expect).map(({ type }) => type))].sort();
    expect(having('written')).toEqual(names);
  });

  it('have the version of the contract that they were written from', () => {
    expect(FLEET_PROTOCOL_VERSION).toBe('0.1.0');
  });
});

const taken = cases.filter((each) => 'written' in each.expect);

/** A valid value with one of its parts replaced. */
const damaged = fc
  .tuple(fc.constantFrom(...taken), fc.nat(), fc.jsonValue({ maxDepth: 2 }))
  .map(([{ type, value }, at, other]) => ({ type, value: replacePart(value, at, other) }));

function replacePart(value: unknown, at: number, other: unknown): unknown {
  if (typeof value !== 'object' || value === null || at % 5 === 0) return other;
  const entries = Object.entries(value);
  const [key, inner] = entries[at % entries.length] ?? [];
  if (key === undefined) return other;
  const replaced = replacePart(inner, Math.floor(at / entries.length), other);
  return Array.isArray(value)
    ? value.map((item: unknown, index) => (String(index) === key ? replaced : item))
    : { ...value, [key]: replaced };
}

describe('laws of the types of the fleet', () => {
  it('whatever comes is read, and the same when it is written and read again, or refused with one clear error (F2, L6)', () => {
    fc.assert(
      fc.property(damaged, ({ type, value }) => {
        const before = JSON.stringify(value);
        let written: string;
        try {
          written = JSON.stringify(readFleet(type, value));
        } catch (error) {
          expect(error).toBeInstanceOf(ArcpError);
          expect((error as ArcpError).message).toMatch(new RegExp(`^${type}[^:]*: `));
          return;
        }
        expect(JSON.stringify(readFleet(type, JSON.parse(written)))).toBe(written);
        expect(JSON.stringify(value), 'what came is left alone').toBe(before);
      }),
      { numRuns: 2000 },
    );
  });

  it('a list of faults ends, however long the list is (F5, L7)', () => {
    const { error } = FLEET_TYPES.task_worker_profile.safeParse({
      tools: Array.from({ length: 100_000 }, () => 1),
    });
    expect(error?.issues.length).toBe(100);
  });
});

describe('keys that no type knows', () => {
  it('are found where they stand, in tagged objects and lists too, but not in free maps', () => {
    const task = {
      id: 'a',
      name: 'A',
      instructions: 'x',
      metadata: { anything: 1 },
      sorcer: {},
      scorer: { kind: 'file_exists', path: 'x', pth: 'y' },
      retry_policy: { max_atempts: 1 },
      alert_policy: { channels: [{ kind: 'slack', webhook_url: 'u', chanel: 'c' }] },
    };
    const found = unknownKeys(FLEET_TYPES.task_spec, task);
    expect(found.map(({ path }) => path.join('.'))).toEqual([
      'sorcer',
      'scorer.pth',
      'retry_policy.max_atempts',
      'alert_policy.channels.0.chanel',
    ]);
    expect(found[1]?.known).toEqual(['kind', 'path']);
    expect(found[0]?.known).toContain('scorer');
  });

  it('are none in any fixture that keeps everything it is given', () => {
    for (const { type, value, expect: expected } of taken) {
      if (
        type !== 'task_spec' ||
        JSON.stringify(value) !== JSON.stringify((expected as { written: unknown }).written)
      )
        continue;
      expect(unknownKeys(FLEET_TYPES[type], value)).toEqual([]);
    }
  });
});
