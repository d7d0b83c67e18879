import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAgentRef } from '../../src/protocol/agent-ref.js';
import { ArcpError } from '../../src/protocol/errors.js';
import {
  highestVersion,
  MAX_AGENT_VERSIONS,
  MAX_INVENTORY_AGENTS,
  parseInventory,
  resolveAgent,
} from '../../src/protocol/inventory.js';
import { compareSemver, parseSemver, type Semver } from '../../src/protocol/semver.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { errorOf } from './error-of.js';

interface Case {
  readonly input: { readonly agents: unknown; readonly ref: string };
  readonly expect: { readonly name: string; readonly version?: string } | { readonly error: string };
}

describe('resolveAgent (decision 3)', () => {
  it.each(fixtureCases<Case>('resolution.json'))('$id: $shows', ({ input, expect: expected }) => {
    const resolve = () => resolveAgent(parseInventory(input.agents), parseAgentRef(input.ref));
    if (!('error' in expected)) {
      expect(resolve()).toStrictEqual({ ok: true, ...expected });
    } else if (expected.error === 'INVALID_ARGUMENT') {
      expect(errorOf(ArcpError, resolve).code).toBe('INVALID_ARGUMENT');
    } else {
      expect(resolve()).toMatchObject({ ok: false, code: expected.error });
    }
  });
});

describe('parseInventory', () => {
  it('says where an inventory is wrong (L6)', () => {
    const agents = ['echo', { name: 'a', versions: ['1.0.0', 7] }];
    expect(errorOf(ArcpError, () => parseInventory(agents)).message).toContain('agents[1].versions[1]');
  });

  it('takes names that no reference can express, so that one odd agent does not hide the others', () => {
    const inventory = parseInventory(['Fancy Tool', 'echo']);
    expect(inventory.map(({ name }) => name)).toEqual(['Fancy Tool', 'echo']);
  });

  it('refuses names that are not well-formed text', () => {
    expect(errorOf(ArcpError, () => parseInventory(['a\ud800'])).code).toBe('INVALID_ARGUMENT');
  });

  it('is bounded in agents and in versions (L7)', () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => `a${i}`);
    expect(parseInventory(many(MAX_INVENTORY_AGENTS))).toHaveLength(MAX_INVENTORY_AGENTS);
    expect(() => parseInventory(many(MAX_INVENTORY_AGENTS + 1))).toThrow('at most');
    expect(() => parseInventory([{ name: 'a', versions: many(MAX_AGENT_VERSIONS) }])).not.toThrow();
    expect(() => parseInventory([{ name: 'a', versions: many(MAX_AGENT_VERSIONS + 1) }])).toThrow('at most');
  });

  it('throws nothing but INVALID_ARGUMENT, whatever it is given (L6)', () => {
    const entry = fc.record(
      {
        name: fc.anything(),
        versions: fc.oneof(fc.anything(), fc.array(fc.anything())),
        default: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.array(fc.oneof(fc.anything(), entry))), (value) => {
        try {
          parseInventory(value);
        } catch (error) {
          expect(error).toBeInstanceOf(ArcpError);
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** The example of semver.org §11.4 and what lies around it, from low to high. */
const RISING = [
  '0.0.0-0',
  '0.0.0',
  '0.9.10',
  '0.10.9',
  '1.0.0-0',
  '1.0.0-2',
  '1.0.0-10',
  '1.0.0--',
  '1.0.0-0a',
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-beta',
  '1.0.0-beta.2',
  '1.0.0-beta.11',
  '1.0.0-rc.1',
  '1.0.0',
  '1.0.1',
  '1.2.0',
  '1.10.0',
  '2.0.0-rc.1',
  '2.0.0',
  '10.0.0',
] as const;

function semver(text: string): Semver {
  const parsed = parseSemver(text);
  if (parsed === undefined) throw new Error(`not semantic: ${text}`);
  return parsed;
}

describe('semantic versions (semver.org §11)', () => {
  it('rank as the specification ranks them', () => {
    for (const [i, a] of RISING.entries()) {
      for (const [j, b] of RISING.entries()) {
        expect(Math.sign(compareSemver(semver(a), semver(b))), `${a} and ${b}`).toBe(Math.sign(i - j));
      }
    }
  });

  it.each([
    '1',
    '1.0',
    '1.0.0.0',
    'v1.0.0',
    '1.0.0-',
    '1.0.0+',
    '1.0.0-a..b',
    '1.0.0+a..b',
    '01.0.0',
    '1.0.0-01',
    ' 1.0.0',
    '1.0.0\n',
    '1.0.0-ä',
    '-1.0.0',
  ])('%j is none', (text) => {
    expect(parseSemver(text)).toBeUndefined();
  });

  it.each(['1.0.0+001', '1.0.0-0a+x-y.z', '1.0.0-x-y.z.--', '0.0.0'])('%j is one', (text) => {
    expect(parseSemver(text)).toBeDefined();
  });

  it('the highest is found in any order of registration', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...RISING], { minLength: 1 }), (versions) => {
        expect(highestVersion(versions)).toBe(RISING.findLast((version) => versions.includes(version)));
      }),
    );
  });

  it('reads hostile text in linear time', () => {
    for (const text of [
      '1.0.0-' + 'a.'.repeat(1 << 19),
      '1'.repeat(1 << 20),
      '1.0.0-' + '0'.repeat(1 << 20),
    ]) {
      expect(parseSemver(text)).toBeUndefined();
    }
  });
});
