/** The tests of execution.rs `agent_ref_tests` are among the fixtures; the laws are below them. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AgentRefError,
  formatAgentRef,
  isAgentName,
  isAgentVersion,
  MAX_AGENT_REF_LENGTH,
  parseAgentRef,
  type AgentRef,
  type AgentRefFault,
} from '../../src/protocol/agent-ref.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { oneOf } from './characters.js';
import { errorOf } from './error-of.js';

interface Case {
  readonly input: string;
  readonly expect: AgentRef | { readonly error: string; readonly fault: AgentRefFault };
}

describe('parseAgentRef', () => {
  it.each(fixtureCases<Case>('agent-refs.json'))('$id: $shows', ({ input, expect: expected }) => {
    if ('error' in expected) {
      const error = errorOf(AgentRefError, () => parseAgentRef(input));
      expect({ error: error.code, fault: error.fault }).toEqual(expected);
      expect(error.details).toEqual({ fault: expected.fault });
    } else {
      expect(parseAgentRef(input)).toStrictEqual(expected);
      expect(formatAgentRef(parseAgentRef(input))).toBe(input);
    }
  });

  it('round-trips as a plain JSON string (execution.rs serde_round_trip)', () => {
    const ref = parseAgentRef('web-research@1.0.0');
    expect(JSON.stringify(formatAgentRef(ref))).toBe('"web-research@1.0.0"');
    expect(parseAgentRef(JSON.parse('"web-research@1.0.0"') as string)).toEqual(ref);
  });

  it('keeps its messages short and well-formed, whatever it refuses (L6)', () => {
    const error = errorOf(AgentRefError, () => parseAgentRef('\ud800'.repeat(100_000)));
    expect(error.message.isWellFormed()).toBe(true);
    expect(error.message.length).toBeLessThan(600);
  });

  it('reads hostile text in linear time: a megabyte of each kind is refused at once', () => {
    for (const text of ['a', '@', 'a@', '-', 'A', '😀']) {
      expect(errorOf(AgentRefError, () => parseAgentRef(text.repeat(1 << 20))).fault).toBe('length');
    }
  });
});

const nameChar = oneOf('abcxyz019._-');
const name = fc
  .tuple(oneOf('abcxyz019'), fc.string({ unit: nameChar, maxLength: 40 }))
  .map((parts) => parts.join(''));
const version = fc.string({ unit: oneOf('abzABZ019.+_-'), minLength: 1, maxLength: 40 });
/** Text that is often nearly a reference. */
const nearly = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: oneOf('aA0.@+_-/ \n\ud800é') }),
  fc.tuple(name, fc.constantFrom('@', '@@', ''), version).map((parts) => parts.join('')),
  fc.nat(MAX_AGENT_REF_LENGTH * 2).map((length) => 'a'.repeat(length)),
);

describe('laws of agent references', () => {
  it('whatever is made of a name and a version of the grammar parses as these', () => {
    fc.assert(
      fc.property(name, fc.option(version, { nil: undefined }), (name, version) => {
        const ref = version === undefined ? { name } : { name, version };
        expect(parseAgentRef(formatAgentRef(ref))).toStrictEqual(ref);
      }),
    );
  });

  it('what parses prints back the same, and what does not fails with nothing but an AgentRefError', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        let ref: AgentRef;
        try {
          ref = parseAgentRef(text);
        } catch (error) {
          expect(error).toBeInstanceOf(AgentRefError);
          return;
        }
        expect(formatAgentRef(ref)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees with the grammar written as regular expressions', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        const isShort = text.length <= MAX_AGENT_REF_LENGTH;
        expect(isAgentName(text)).toBe(isShort && /^[a-z0-9][a-z0-9._-]*$/.test(text));
        expect(isAgentVersion(text)).toBe(isShort && /^[a-zA-Z0-9.+_-]+$/.test(text));
      }),
      { numRuns: 2000 },
    );
  });
});
