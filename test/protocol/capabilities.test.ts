import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CAPABILITY_FLAGS,
  capabilitiesSchema as schema,
  negotiate,
  sessionCapabilities,
  type Capabilities,
} from '../../src/protocol/index.js';
import { fixtureCases } from '../spec-fixtures/load.js';

interface NegotiationCase {
  readonly ours: Capabilities;
  readonly theirs: Capabilities;
  readonly common: Capabilities;
  readonly session?: Capabilities;
}

describe('spec-fixtures/negotiation.json', () => {
  it.each(fixtureCases<NegotiationCase>('negotiation.json'))('$id: $shows', (each) => {
    const ours = schema.parse(each.ours);
    const theirs = schema.parse(each.theirs);
    expect(negotiate(ours, theirs)).toStrictEqual(each.common);
    expect(negotiate(theirs, ours)).toStrictEqual(each.common);
    expect(sessionCapabilities(ours, theirs)).toStrictEqual(each.session ?? each.common);
  });
});

const names = fc.array(fc.constantFrom('arcpx.a.v1', 'arcpx.b.v1', 'arcpx.c.v1', 'com.example.d.v1'));

const anyCapabilities = fc
  .record(
    {
      ...Object.fromEntries(CAPABILITY_FLAGS.map((flag) => [flag, fc.boolean()])),
      extensions: names,
      binary_encoding: names,
      heartbeat_interval_seconds: fc.integer({ min: 1, max: 600 }),
      heartbeat_recovery: fc.constantFrom('fail', 'block'),
      agents: fc.array(fc.constantFrom('echo', 'fast')),
      artifact_retention: fc.constant({ default_seconds: 1, max_seconds: 2 }),
      'com.example.extra': fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  .map((value) => schema.parse(value));

describe('negotiation', () => {
  it('is symmetric: it does not matter who is asked first (C1)', () => {
    fc.assert(
      fc.property(anyCapabilities, anyCapabilities, (a, b) => {
        expect(negotiate(a, b)).toStrictEqual(negotiate(b, a));
      }),
    );
  });

  it('is idempotent: negotiating the outcome again, with either side, changes nothing (C1)', () => {
    fc.assert(
      fc.property(anyCapabilities, anyCapabilities, (a, b) => {
        const common = negotiate(a, b);
        expect(negotiate(common, common)).toStrictEqual(common);
        expect(negotiate(common, a)).toStrictEqual(common);
        expect(negotiate(b, common)).toStrictEqual(common);
      }),
    );
  });

  it('enables nothing that one side lacks, and loses nothing that both have (C1)', () => {
    fc.assert(
      fc.property(anyCapabilities, anyCapabilities, (a, b) => {
        const common = negotiate(a, b);
        for (const flag of CAPABILITY_FLAGS) {
          expect(common[flag] === true).toBe(a[flag] === true && b[flag] === true);
        }
        for (const list of ['extensions', 'binary_encoding'] as const) {
          const [ours, theirs] = [a[list] ?? [], b[list] ?? []];
          expect(new Set(common[list])).toEqual(new Set(ours.filter((name) => theirs.includes(name))));
        }
        for (const side of [a, b]) {
          const interval = side.heartbeat_interval_seconds ?? Infinity;
          expect(common.heartbeat_interval_seconds ?? interval).toBeLessThanOrEqual(interval);
        }
      }),
    );
  });

  it('leaves both sides as they were', () => {
    fc.assert(
      fc.property(anyCapabilities, anyCapabilities, (a, b) => {
        const [before, after] = [structuredClone([a, b]), [a, b]];
        sessionCapabilities(a, b);
        expect(after).toStrictEqual(before);
      }),
    );
  });

  it('takes what only the runtime can state from the runtime alone (C2)', () => {
    fc.assert(
      fc.property(anyCapabilities, anyCapabilities, (runtime, client) => {
        const { agents, artifact_retention, heartbeat_recovery, ...common } = sessionCapabilities(
          runtime,
          client,
        );
        expect({ agents, artifact_retention, heartbeat_recovery }).toStrictEqual({
          agents: runtime.agents,
          artifact_retention: runtime.artifact_retention,
          heartbeat_recovery: runtime.heartbeat_recovery,
        });
        expect(common).toStrictEqual(negotiate(runtime, client));
      }),
    );
  });
});
