/**
 * The draft's envelope (draft-1.1 §5), as it is read. Nothing that arrives makes reading throw, and a refusal carries the
 * frame's id wherever there is one (L6): the invariants of the native one hold here too.
 *
 * (D1) A missing payload is an empty one: draft-1.1 §6.7 shows none.
 * (D2) `trace_id` is an id of the W3C, or the `traceparent` that holds one; read as the id.
 * (D3) Of unknown types a vendor's own (`x-vendor.…`) asks to be dropped in silence by `extensions.optional`.
 */
import { describeIssues, quote } from '../issues.js';
import { MAX_ID_LENGTH } from '../ids.js';
import { nestsDeeperThan } from '../nesting.js';
import type { DecodeLimits } from '../envelope.js';
import { isJsonObject, type JsonObject } from '../scalars.js';
import { draftRuleFor, type DraftMessageType, type DraftPayload } from './messages.js';
import { readTraceId } from './trace-id.js';

/** Longest id of a frame, in UTF-16 units: room is left for the prefix that some are given inside. */
export const MAX_DRAFT_ID_LENGTH = MAX_ID_LENGTH - 8;

export interface DraftEnvelope<Type extends DraftMessageType = DraftMessageType> {
  readonly arcp: string;
  readonly id: string;
  readonly type: Type;
  readonly payload: DraftPayload<Type>;
  readonly session_id?: string;
  readonly job_id?: string;
  readonly trace_id?: string;
  readonly event_seq?: number;
  readonly extensions?: JsonObject;
}

/** Any envelope; narrows by `type`. */
export type AnyDraftEnvelope = { [Type in DraftMessageType]: DraftEnvelope<Type> }[DraftMessageType];

export type DraftDecoded =
  | { readonly ok: true; readonly envelope: AnyDraftEnvelope }
  | { readonly ok: false; readonly refusal: DraftRefusal };

/** Why a frame is not taken. It is always INVALID_REQUEST. */
export interface DraftRefusal {
  readonly kind: 'malformed' | 'unknown_type' | 'extension';
  readonly message: string;
  /** The frame's id, type and trace, where they could be read. */
  readonly id: string | undefined;
  readonly type: string | undefined;
  readonly traceId: string | undefined;
  /** Whether the sender asks that a vendor's type which is not known be dropped in silence. */
  readonly optional: boolean;
}

const DEFAULT_MAX_DEPTH = 128;

/** Reads one text frame. Never throws. */
export function decodeDraftFrame(text: string, limits: DecodeLimits = {}): DraftDecoded {
  const maxDepth = limits.maxDepth ?? DEFAULT_MAX_DEPTH;
  if (nestsDeeperThan(text, maxDepth)) return refused({}, `the frame nests deeper than ${maxDepth} levels`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refused({}, 'the frame is not JSON');
  }
  return isJsonObject(value) ? take(value) : refused({}, 'the frame is not a JSON object');
}

function take(frame: JsonObject): DraftDecoded {
  const { id, type } = frame;
  if (!isName(id, MAX_DRAFT_ID_LENGTH)) return refused({}, fault('id', id, anId));
  if (!isName(type, MAX_ID_LENGTH)) return refused({ id }, fault('type', type, aName));
  const rule = draftRuleFor(type);
  const traceId = typeof frame['trace_id'] === 'string' ? readTraceId(frame['trace_id']) : undefined;
  const known = { id, type, ...(traceId === undefined ? {} : { traceId }) };
  if (rule === undefined) return unknownType(known, frame['extensions']);

  const head: Record<string, unknown> = { id, type };
  for (const [name, field] of FIELDS) {
    const value = frame[name] ?? undefined;
    if (value === undefined) {
      if (name === 'arcp' || isRequired(name, rule))
        return refused(known, fault(name, value, field.expectation));
    } else if (field.check(value)) head[name] = name === 'trace_id' ? traceId : value;
    else return refused(known, fault(name, value, field.expectation));
  }
  const payload = frame['payload'] ?? {};
  if (!isJsonObject(payload)) return refused(known, fault('payload', payload, 'expected an object'));
  const read = rule.schema.safeParse(payload);
  if (!read.success) return refused(known, describeIssues(read.error.issues, payload));
  head['payload'] = read.data;
  return { ok: true, envelope: head as unknown as AnyDraftEnvelope };
}

function isRequired(name: string, rule: { readonly numbered: boolean; readonly ofJob: boolean }): boolean {
  return (name === 'event_seq' && rule.numbered) || (name === 'job_id' && rule.ofJob);
}

function isName(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength && value.isWellFormed();
}

const aName = `expected a non-empty string of at most ${MAX_ID_LENGTH} characters, without lone surrogates`;
const anId = `expected a non-empty string of at most ${MAX_DRAFT_ID_LENGTH} characters, without lone surrogates`;

interface Field {
  readonly check: (value: unknown) => boolean;
  readonly expectation: string;
}

const name: Field = { check: (value) => isName(value, MAX_ID_LENGTH), expectation: aName };

/** The head's fields beside `id` and `type`. Others are ignored (draft-1.1 §5). */
const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['arcp', name],
  ['session_id', name],
  ['job_id', name],
  [
    'trace_id',
    {
      check: (value) => typeof value === 'string' && readTraceId(value) !== undefined,
      expectation: 'expected 32 lower-case hex digits, not all 0',
    },
  ],
  [
    'event_seq',
    {
      check: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
      expectation: 'expected an integer from 0 to 9007199254740991',
    },
  ],
  ['extensions', { check: isJsonObject, expectation: 'expected an object' }],
]);

function fault(field: string, value: unknown, expectation: string): string {
  return `${field}: ${value === undefined ? 'missing, ' : ''}${expectation}`;
}

type Known = Partial<Record<'id' | 'type' | 'traceId', string>>;

function refused({ id, type, traceId }: Known, message: string): DraftDecoded {
  return { ok: false, refusal: { kind: 'malformed', message, id, type, traceId, optional: false } };
}

function unknownType(
  { id, type, traceId }: Known & { readonly type: string },
  extensions: unknown,
): DraftDecoded {
  const isVendors = type.startsWith('x-vendor.');
  return {
    ok: false,
    refusal: {
      kind: isVendors ? 'extension' : 'unknown_type',
      message: isVendors
        ? `type: the extension ${quote(type)} was not agreed on`
        : `type: ${quote(type)} is not known`,
      id,
      type,
      traceId,
      optional: isVendors && isJsonObject(extensions) && extensions['optional'] === true,
    },
  };
}
