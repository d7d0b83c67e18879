import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEnvelope,
  decodeFrame,
  encodeEnvelope,
  MESSAGE_TYPES,
  MESSAGES,
  PROTOCOL_VERSION,
  type AnyEnvelope,
  type Decoded,
  type MessageType,
} from '../../src/protocol/index.js';
import { MINIMAL_PAYLOADS } from './minimal-payloads.js';

const AT = '2026-01-31T12:00:00Z';

function envelopeOf(type: MessageType): AnyEnvelope {
  const head = { arcp: PROTOCOL_VERSION, id: 'msg_1', type, timestamp: AT };
  return { ...head, payload: MINIMAL_PAYLOADS[type] } as AnyEnvelope;
}

function taken(read: Decoded): AnyEnvelope {
  if (!read.ok) throw new Error(read.refusal.message);
  return read.envelope;
}

const anyType = fc.constantFrom(...MESSAGE_TYPES);

/** Text of any kind: control characters, quotes, halves of surrogate pairs. */
const anyText = fc.string({ unit: 'binary' });
const brokenText = fc
  .array(fc.integer({ min: 0, max: 0xffff }))
  .map((units) => String.fromCharCode(...units));

const head = fc.record(
  {
    source: fc.string({ unit: 'grapheme' }),
    target: fc.string(),
    session_id: fc.constant('sess_1' as const),
    job_id: fc.constant('job_1' as const),
    stream_id: fc.constant('str_1' as const),
    subscription_id: fc.constant('sub_1' as const),
    trace_id: fc.string({ minLength: 1, maxLength: 256 }),
    span_id: fc.string({ minLength: 1 }),
    parent_span_id: fc.string({ minLength: 1 }),
    correlation_id: fc.uuid().map((uuid) => `msg_${uuid}` as const),
    causation_id: fc.constant('msg_0' as const),
    idempotency_key: fc.string({ minLength: 1 }),
    priority: fc.constantFrom('low', 'high', 'critical'),
    extensions: fc.dictionary(fc.string(), fc.jsonValue()),
    event_seq: fc.maxSafeNat(),
  },
  { requiredKeys: [] },
);

/** Fields that nobody knows. The prefix keeps them apart from those that somebody does. */
const unknownFields = fc.dictionary(
  fc.oneof(
    anyText.map((name) => `zz${name}`),
    fc.constant('__proto__'),
    fc.constant('constructor'),
  ),
  fc.jsonValue(),
);

describe('an envelope', () => {
  it('round-trips through text, with unknown fields of it and of its payload ignored (E3)', () => {
    fc.assert(
      fc.property(anyType, head, unknownFields, unknownFields, (type, fields, foreign, foreignInPayload) => {
        const envelope = { ...envelopeOf(type), ...fields };
        const sent = { ...foreign, ...envelope, payload: { ...foreignInPayload, ...envelope.payload } };
        const expected: unknown = JSON.parse(encodeEnvelope(envelope));
        const read = taken(decodeFrame(JSON.stringify(sent)));
        expect(JSON.parse(encodeEnvelope(read))).toStrictEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each(MESSAGE_TYPES)(
    'of type %s is written as it is read: the canonical payload is a fixed point (M1)',
    (type) => {
      const envelope = envelopeOf(type);
      const read = taken(decodeFrame(encodeEnvelope(envelope)));
      expect(JSON.parse(encodeEnvelope(read))).toStrictEqual(JSON.parse(JSON.stringify(envelope)));
    },
  );

  it('is written without the priority that a missing one means', () => {
    const envelope = { ...envelopeOf('ping'), priority: 'normal' } as const;
    expect(encodeEnvelope(envelope)).not.toContain('priority');
    expect(encodeEnvelope({ ...envelope, priority: 'high' })).toContain('"priority":"high"');
  });

  it('leaves the value that it is read from as it was, and shares free values with it (V2)', () => {
    const value = {
      ...envelopeOf('tool.invoke'),
      surprise: 1,
      payload: { tool: 'echo', arguments: JSON.parse('{"__proto__":{"a":1}}') as unknown, surprise: 1 },
    };
    const before = JSON.stringify(value);
    const read = taken(decodeEnvelope(value));
    expect(read.type === 'tool.invoke' && read.payload.arguments).toBe(value.payload.arguments);
    expect(JSON.stringify(value)).toBe(before);
    expect(Object.keys(read)).not.toContain('surprise');
  });

  it('keeps own keys named __proto__ in free values without touching any prototype (V2)', () => {
    const text = encodeEnvelope(envelopeOf('log')).replace(
      '"message":"hello"',
      '"message":"hello","attributes":{"__proto__":{"polluted":true}}',
    );
    const read = taken(decodeFrame(text));
    expect(encodeEnvelope(read)).toContain('"attributes":{"__proto__":{"polluted":true}}');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('decodeFrame', () => {
  function holds({ ok, ...rest }: Decoded): void {
    if (ok || !('refusal' in rest)) return;
    expect(rest.refusal.message).toMatch(/^[^\n]{1,400}$/u);
    expect(rest.refusal.message.isWellFormed()).toBe(true);
  }

  it('answers any text, and never throws (E1)', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, brokenText, fc.json()), (text) => {
        holds(decodeFrame(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('answers any JSON in the place of an envelope, and never throws (E1)', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        holds(decodeFrame(JSON.stringify(value)));
      }),
    );
  });

  it('answers any JSON in the place of any field, and never throws; the refusal has the id (E1, E2)', () => {
    const field = fc.constantFrom(
      'arcp',
      'timestamp',
      'payload',
      'trace_id',
      'job_id',
      'extensions',
      'event_seq',
    );
    fc.assert(
      fc.property(anyType, field, fc.jsonValue(), (type, name, value) => {
        const read = decodeFrame(JSON.stringify({ ...envelopeOf(type), [name]: value }));
        holds(read);
        expect(read.ok ? read.envelope.id : read.refusal.id).toBe('msg_1');
      }),
      { numRuns: 1_000 },
    );
  });

  it('answers any JSON in the place of any payload field, and names that field or takes it (E1, E4)', () => {
    fc.assert(
      fc.property(anyType, fc.nat(), fc.jsonValue(), (type, pick, value) => {
        const payload = MINIMAL_PAYLOADS[type];
        const names = Object.keys(payload);
        const name = names[pick % Math.max(names.length, 1)] ?? 'reason';
        const read = decodeFrame(
          JSON.stringify({ ...envelopeOf(type), payload: { ...payload, [name]: value } }),
        );
        holds(read);
        if (!read.ok) expect(read.refusal.message).toMatch(/^payload\.[a-z_]+/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('answers a valid frame that lost, gained or changed a character, and never throws (E1)', () => {
    fc.assert(
      fc.property(anyType, fc.nat(), fc.nat({ max: 2 }), anyText, (type, place, cut, insert) => {
        const text = encodeEnvelope(envelopeOf(type));
        const at = place % text.length;
        holds(decodeFrame(text.slice(0, at) + insert + text.slice(at + cut)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('repeats no value of a field in what it says (E4)', () => {
    const secret = 'hunter2-hunter2';
    const leaf = fc.constantFrom(secret, [secret], { [secret]: secret }, 17);
    fc.assert(
      fc.property(anyType, fc.nat(), leaf, (type, pick, value) => {
        const payload = MINIMAL_PAYLOADS[type];
        const names = [
          ...Object.keys(payload),
          'reason',
          'token',
          'resume_token',
          'credentials',
          'challenge',
        ];
        const name = names[pick % names.length] ?? 'reason';
        const read = decodeFrame(
          JSON.stringify({ ...envelopeOf(type), payload: { ...payload, [name]: value } }),
        );
        if (!read.ok) expect(JSON.stringify(read.refusal)).not.toContain(secret);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is done with a list at its first fault, however many there are (L7)', () => {
    const lists = [
      MESSAGES['tool.invoke'].schema.safeParse({ tool: 'echo', cost_budget: [0, 0, 0] }),
      MESSAGES['session.open'].schema.safeParse({
        ...MINIMAL_PAYLOADS['session.open'],
        capabilities: { agents: [0, 0, 0] },
      }),
      MESSAGES.subscribe.schema.safeParse({ filter: { types: [0, 0, 0] } }),
    ];
    for (const read of lists) {
      const leaves = (JSON.stringify(read.error?.issues).match(/"path":\[[^\]]*[12]\]/g) ?? []).length;
      expect(read.success).toBe(false);
      expect(leaves).toBe(0);
    }
  });

  it('repeats no more than 80 characters of a type that it does not know (E4)', () => {
    const read = decodeFrame(JSON.stringify({ ...envelopeOf('ping'), type: 'q'.repeat(200) }));
    expect(read.ok ? '' : read.refusal.message.replaceAll(/[^q]/g, '').length).toBe(80);
  });

  it('takes the depth that it is given as its limit (L7)', () => {
    const nested = encodeEnvelope({
      ...envelopeOf('tool.invoke'),
      type: 'tool.invoke',
      payload: { tool: 'echo', arguments: [[[]]] },
    });
    expect(decodeFrame(nested, { maxDepth: 5 }).ok).toBe(true);
    expect(decodeFrame(nested, { maxDepth: 4 }).ok).toBe(false);
  });
});
