/** The loader of scenarios: what is wrong with a file is told with its place, and nothing that is wrong is played. */
import { describe, expect, it } from 'vitest';
import { loadClientSuite, readClientCases } from '../../src/conformance/clients/load.js';
import { STANDING_REQUIREMENTS } from '../../src/conformance/run/standing-rules.js';
import { loadSuite, readScenarios } from '../../src/conformance/scenarios/load.js';
import { faultsOf, mismatch } from '../../src/conformance/scenarios/matcher.js';
import { readRequirements } from '../../src/conformance/scenarios/requirements.js';
import { fixtureCases } from '../spec-fixtures/load.js';

const scenario = {
  id: 'one',
  shows: 'something',
  source: 'somewhere',
  dialect: 'classic',
  requirements: ['C-6.3-1'],
  steps: [{ open: 'client' }, { send: { type: 'ping' }, as: 'ping' }],
};

function faults(change: object): readonly string[] {
  return readScenarios(JSON.stringify({ about: '', cases: [{ ...scenario, ...change }] }), 'f.json').faults;
}

function withStep(step: object): readonly string[] {
  return faults({ steps: [...scenario.steps, step] });
}

describe('a scenario file', () => {
  it.each([
    ['an unknown key', faults({ step: [] }), 'f.json: one: Unrecognized key: "step"'],
    ['a step without a verb', withStep({ say: 1 }), 'f.json: one: steps[2]: expected one of open, connect'],
    [
      'two verbs in one step',
      withStep({ drop: 'client', wait_ms: 1 }),
      'f.json: one: steps[2]: drop and wait_ms',
    ],
    [
      'an unknown key of a step',
      withStep({ drop: 'client', of: 1 }),
      'f.json: one: steps[2]: Unrecognized key: "of"',
    ],
    [
      'an unknown operator',
      withStep({ expect: { id: { $like: 1 } } }),
      'steps[2].expect.id: there is no operator $like',
    ],
    [
      'an operator with a key beside',
      withStep({ expect: { $any: true, a: 1 } }),
      'steps[2].expect: $any stands alone',
    ],
    [
      'an operand that is wrong',
      withStep({ expect: { $range: [1] } }),
      'steps[2].expect.$range: expected [least',
    ],
    ['a name that means nothing', withStep({ expect: { id: '$pong' } }), 'steps[2]: $pong means nothing yet'],
    ['a connection that is not there', withStep({ drop: 'other' }), 'steps[2]: there is no connection other'],
    [
      'a wrong type deep inside',
      withStep({ repeat: 2, steps: [{ wait_ms: 0 }] }),
      'f.json: one: steps[2].steps[0].wait_ms: ',
    ],
  ])('with %s is refused, with the place', (_what, found, message) => {
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it('that is not JSON is refused', () => {
    expect(readScenarios('{', 'f.json').faults[0]).toMatch(/^f\.json: /);
  });

  it('that is right is taken', () => {
    expect(withStep({ expect: { correlation_id: '$ping' } })).toEqual([]);
  });
});

describe('a matcher', () => {
  it.each([
    [{ a: 1 }, { a: 1, b: 2 }, true],
    [{ a: 1 }, { a: '1' }, false],
    [{ a: { $absent: true } }, {}, true],
    [{ a: { $absent: true } }, { a: null }, false],
    [{ a: { $any: true } }, {}, false],
    [[1, { $type: 'string' }], [1, 'x'], true],
    [[1], [1, 2], false],
    [{ $range: [null, 3] }, 4, false],
    [{ $one_of: [1, { $type: 'null' }] }, null, true],
    [{ $not: { a: 1 } }, { a: 2 }, true],
    [{ $contains: { a: 1 } }, [{ b: 1 }, { a: 1 }], true],
    [{ $contains: 'b' }, 'abc', true],
    [{ $length: 2 }, [1], false],
    [{ $exactly: { a: 1 } }, { a: 1, b: 2 }, false],
    [{ $all_of: [{ $range: [1, 3] }, { $not: 2 }] }, 2, false],
    [{ $pattern: '^a+$' }, 'aaa', true],
    [{ $timestamp: true }, '2026-01-01T00:00:00', false],
    [{ constructor: { $absent: true } }, {}, true],
  ])('%j on %j matches: %s', (matcher, value, matches) => {
    expect(faultsOf(matcher, 'here')).toEqual([]);
    expect(mismatch(matcher, value) === undefined).toBe(matches);
  });

  it('says where and what it found', () => {
    expect(mismatch({ payload: { code: 'A' } }, { payload: { code: 'B' } })).toBe(
      'frame.payload.code: expected "A", found "B"',
    );
  });
});

describe('the requirements', () => {
  const { scenarios, requirements } = loadSuite();
  const cited = new Set([
    ...scenarios.flatMap((one) => one.requirements),
    ...loadClientSuite().cases.flatMap((one) => one.requirements),
    ...STANDING_REQUIREMENTS,
  ]);

  it.each(fixtureCases('requirements.json'))(
    '$id is cited by a scenario, a case for clients or a standing rule',
    ({ id }) => {
      expect(cited).toContain(id);
    },
  );

  it('have all that is cited', () => {
    expect([...cited].filter((id) => !requirements.has(id))).toEqual([]);
  });

  it('are refused with their place when one is malformed, or stands there twice', () => {
    const one = { id: 'C-1-1', shows: 's', source: 's', level: 'must', dialect: 'classic', observed: 'o' };
    const file = (...cases: object[]): string => JSON.stringify({ about: '', format: '', cases });
    expect(() => readRequirements(file({ ...one, level: 'may' }), 'r.json')).toThrow('r.json: cases.0.level');
    expect(() => readRequirements(file(one, one), 'r.json')).toThrow('r.json: C-1-1 stands there twice');
  });
});

describe('a case for clients', () => {
  const right = {
    id: 'one',
    shows: 'something',
    source: 'somewhere',
    requirements: ['S-client-1'],
    runtime: [{ tell: { accepted: true } }, { drop: true }],
    report: { outcome: 'lost' },
  };
  const faultsWith = (change: object): readonly string[] =>
    readClientCases(JSON.stringify({ about: '', format: '', cases: [{ ...right, ...change }] }), 'f.json')
      .faults;

  it.each([
    ['an unknown key', { wire: [] }, 'Unrecognized key: "wire"'],
    ['a step without a verb', { runtime: [{ say: 1 }] }, 'runtime[0]: expected one of tell, again'],
    ['an unknown event', { runtime: [{ tell: { died: true } }] }, 'runtime[0]'],
    ['an unknown operator', { report: { $like: 1 } }, 'one: report: there is no operator $like'],
    ['an awaited act that cannot be', { runtime: [{ await: { $range: [1] } }] }, 'runtime[0].$range'],
  ])('with %s is refused, with the place', (_what, change, message) => {
    expect(faultsWith(change).join('\n')).toContain(message);
  });

  it('that is right is taken', () => {
    expect(faultsWith({})).toEqual([]);
  });
});
