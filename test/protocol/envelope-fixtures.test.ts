import { describe, expect, it } from 'vitest';
import {
  decodeFrame,
  encodeEnvelope,
  MESSAGE_TYPES,
  type AnyEnvelope,
  type ErrorCode,
  type Refusal,
} from '../../src/protocol/index.js';
import { frameText, type FrameText } from '../spec-fixtures/frame-text.js';
import { fixtureCases, type FixtureFile } from '../spec-fixtures/load.js';

interface Taken {
  readonly ok: true;
  /** The payload as it is written; without it, the payload that came. */
  readonly canonical?: Record<string, unknown>;
  /** The whole envelope, where the case is about its head. */
  readonly envelope?: Record<string, unknown>;
  /** The exact text that `arguments` gives when it is written again. */
  readonly passes?: string;
}

interface Refused {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly kind: Refusal['kind'];
  readonly mentions: string;
  /** The id that the refusal correlates to. Default `msg_1`; null is none. */
  readonly id?: string | null;
  readonly optional?: boolean;
}

interface EnvelopeCase {
  readonly envelope?: { readonly type?: unknown; readonly payload?: unknown };
  readonly frame?: FrameText;
  readonly expect: Taken | Refused;
}

const FILES = [
  'envelopes/artifacts.json',
  'envelopes/control.json',
  'envelopes/execution.json',
  'envelopes/frames.json',
  'envelopes/human.json',
  'envelopes/permissions.json',
  'envelopes/session.json',
  'envelopes/streams.json',
  'envelopes/subscriptions.json',
  'envelopes/telemetry.json',
] as const satisfies FixtureFile[];

function textOf({ envelope, frame }: EnvelopeCase): string {
  return frame === undefined ? JSON.stringify(envelope) : frameText(frame);
}

function decoded(text: string): AnyEnvelope {
  const read = decodeFrame(text);
  if (!read.ok) throw new Error(read.refusal.message);
  return read.envelope;
}

/** As it stands on the wire: without keys that hold `undefined`. */
function written(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function checkTaken(each: EnvelopeCase, expected: Taken): void {
  const envelope = decoded(textOf(each));
  const payload = written(envelope.payload);
  const canonical = expected.canonical ?? each.envelope?.payload;
  if (canonical !== undefined) expect(payload).toStrictEqual(canonical);
  if (expected.envelope !== undefined) expect(written(envelope)).toStrictEqual(expected.envelope);
  if (expected.passes !== undefined) {
    expect(envelope.type === 'tool.invoke' && JSON.stringify(envelope.payload.arguments)).toBe(
      expected.passes,
    );
  }
  expect(written(decoded(encodeEnvelope(envelope))), 'what was written is read back the same').toStrictEqual(
    written(envelope),
  );
}

function checkRefused(each: EnvelopeCase, expected: Refused): void {
  const read = decodeFrame(textOf(each));
  if (read.ok) throw new Error(`taken: ${JSON.stringify(read.envelope)}`);
  const { refusal } = read;
  const { code, kind, optional = false, id = 'msg_1' } = expected;
  expect(refusal).toMatchObject({ code, kind, optional });
  expect(refusal.id ?? null).toBe(id);
  expect(refusal.message).toContain(expected.mentions);
  expect(refusal.message).not.toContain('\n');
  expect(refusal.message.length).toBeLessThan(300);
}

describe.each(FILES)('spec-fixtures/%s', (file) => {
  it.each(fixtureCases<EnvelopeCase>(file))('$id: $shows', (each) => {
    if (each.expect.ok) checkTaken(each, each.expect);
    else checkRefused(each, each.expect);
  });
});

describe('the envelope fixtures', () => {
  const cases = FILES.flatMap((file) => fixtureCases<EnvelopeCase>(file));

  it.each(MESSAGE_TYPES)('have a valid and an invalid %s', (type) => {
    const outcomes = new Set(
      cases.filter(({ envelope }) => envelope?.type === type).map((each) => each.expect.ok),
    );
    expect(outcomes).toEqual(new Set([true, false]));
  });

  it('say for each envelope whose payload is refused which field it is about', () => {
    const vague = cases.filter(
      ({ expect: expected }) => !expected.ok && expected.kind === 'malformed' && expected.mentions.length < 2,
    );
    expect(vague).toEqual([]);
  });
});
