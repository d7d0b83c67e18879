/** The draft's frames: what is read, as what, and what is refused (`spec-fixtures/envelopes/draft-*.json`). */
import { describe, expect, it } from 'vitest';
import {
  decodeDraftFrame,
  DRAFT_MESSAGE_TYPES,
  EVENT_KIND_NAMES,
  type AnyDraftEnvelope,
  type DraftRefusal,
} from '../../../src/protocol/index.js';
import { frameText, type FrameText } from '../../spec-fixtures/frame-text.js';
import { fixtureCases, type FixtureFile } from '../../spec-fixtures/load.js';

interface Taken {
  readonly ok: true;
  readonly canonical?: Record<string, unknown>;
  readonly envelope?: Record<string, unknown>;
}

interface Refused {
  readonly ok: false;
  readonly kind: DraftRefusal['kind'];
  readonly mentions: string;
  readonly id?: string | null;
  readonly optional?: boolean;
}

interface DraftCase {
  readonly envelope?: { readonly type?: unknown; readonly payload?: Record<string, unknown> };
  readonly frame?: FrameText;
  readonly expect: Taken | Refused;
}

const FILES = [
  'envelopes/draft-events.json',
  'envelopes/draft-frames.json',
  'envelopes/draft-jobs.json',
  'envelopes/draft-session.json',
] as const satisfies FixtureFile[];

function textOf({ envelope, frame }: DraftCase): string {
  return frame === undefined ? JSON.stringify(envelope) : frameText(frame);
}

function decoded(text: string): AnyDraftEnvelope {
  const read = decodeDraftFrame(text);
  if (!read.ok) throw new Error(read.refusal.message);
  return read.envelope;
}

/** As it stands on the wire: without keys that hold `undefined`. */
function written(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe.each(FILES)('spec-fixtures/%s', (file) => {
  it.each(fixtureCases<DraftCase>(file))('$id: $shows', (each) => {
    if (each.expect.ok) {
      const envelope = decoded(textOf(each));
      expect(written(envelope.payload)).toStrictEqual(each.expect.canonical ?? each.envelope?.payload);
      if (each.expect.envelope !== undefined) {
        expect(written(envelope)).toStrictEqual(each.expect.envelope);
      }
      const again = decoded(JSON.stringify(envelope));
      expect(written(again), 'what was written is read back the same').toStrictEqual(written(envelope));
      return;
    }
    const read = decodeDraftFrame(textOf(each));
    if (read.ok) throw new Error(`taken: ${JSON.stringify(read.envelope)}`);
    const { kind, mentions, optional = false, id = 'm1' } = each.expect;
    expect(read.refusal).toMatchObject({ kind, optional });
    expect(read.refusal.id ?? null).toBe(id);
    expect(read.refusal.message).toContain(mentions);
    expect(read.refusal.message).not.toContain('\n');
    expect(read.refusal.message.length).toBeLessThan(300);
  });
});

describe('the draft fixtures', () => {
  const cases = FILES.flatMap((file) => fixtureCases<DraftCase>(file));

  it.each(DRAFT_MESSAGE_TYPES)('have a valid and an invalid %s', (type) => {
    const outcomes = cases.filter(({ envelope }) => envelope?.type === type).map((each) => each.expect.ok);
    expect(new Set(outcomes)).toEqual(new Set([true, false]));
  });

  it.each(EVENT_KIND_NAMES)('have a valid and an invalid event of kind %s', (kind) => {
    const outcomes = cases
      .filter(({ envelope }) => envelope?.payload?.['kind'] === kind)
      .map((each) => each.expect.ok);
    expect(new Set(outcomes)).toEqual(new Set([true, false]));
  });
});
