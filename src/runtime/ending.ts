/**
 * How a job ends, as the text of its terminal event: made once, from whatever its agent returned or threw, and such that
 * every peer can read it and every frame can hold it. Nothing can go wrong with it later.
 */
import { ArcpError } from '../protocol/errors.js';
import type { Payload } from '../protocol/messages.js';
import { jsonText, refuseOversize } from './agent-output.js';
import type { Limits } from './limits.js';

export type TerminalType = 'job.completed' | 'job.failed' | 'job.cancelled';

export interface Ending {
  readonly type: TerminalType;
  /** The payload. */
  readonly text: string;
}

/** Longest message or reason, in UTF-16 units; what is longer is cut. */
const MAX_MESSAGE = 4_096;
/** Largest details as text, in UTF-16 units; what is larger is left out. */
const MAX_DETAILS = 65_536;

export interface Completion {
  /** What the agent returned; `undefined` is nothing. */
  readonly value: unknown;
  readonly summary: string | undefined;
  readonly streamed: Pick<Payload<'job.completed'>, 'result_id' | 'result_size' | 'result_ref'> | undefined;
}

/** What the text of a completion has to leave room for. */
export interface Room {
  /** Levels of an envelope around the value. */
  readonly levels: number;
  /** Of the payload in one event. */
  readonly copies: number;
}

/** `job.completed`: the envelope and the payload are around the value. */
export const ONCE: Room = { levels: 2, copies: 1 };
/** `workflow.complete` besides, which those who cannot read it get in an `event.emit`, a level deeper, under two names. */
export const AS_WORKFLOW: Room = { levels: 3, copies: 2 };

/** Throws INVALID_ARGUMENT or RESOURCE_EXHAUSTED when the value cannot be sent, FAILED_PRECONDITION for two results. */
export function completed({ value, summary, streamed }: Completion, limits: Limits, room: Room): Ending {
  if (streamed !== undefined && value !== undefined) {
    throw new ArcpError('FAILED_PRECONDITION', 'a job that streamed its result cannot also return one');
  }
  const inline = value === undefined ? '' : `"value":${jsonText(value, limits.maxNesting - room.levels)}`;
  const rest = JSON.stringify({ ...streamed, summary });
  const text = inline === '' ? rest : rest === '{}' ? `{${inline}}` : `{${inline},${rest.slice(1)}`;
  refuseOversize(text, 'an inline result', limits.maxEventBytes / room.copies);
  return { type: 'job.completed', text };
}

/** Never throws, whatever was thrown. */
export function failed(thrown: unknown): Ending {
  const { code, message, retryable, details } = errorOf(thrown);
  const text = JSON.stringify({ code, message: readable(message), retryable });
  const more = details === undefined ? undefined : detailsText(details);
  return { type: 'job.failed', text: more === undefined ? text : `${text.slice(0, -1)},"details":${more}}` };
}

export function cancelled(reason: string | undefined): Ending {
  return {
    type: 'job.cancelled',
    text: JSON.stringify(reason === undefined ? {} : { reason: readable(reason) }),
  };
}

/** `ArcpError.from` for things that throw when they are looked at. */
function errorOf(thrown: unknown): ArcpError {
  try {
    return ArcpError.from(thrown);
  } catch {
    return new ArcpError('INTERNAL', 'the agent threw something that cannot be read');
  }
}

function readable(message: string): string {
  const cut = message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE)}…`;
  return cut.toWellFormed();
}

const MAX_DETAILS_NESTING = 32;

function detailsText(details: unknown): string | undefined {
  try {
    const text = jsonText(details, MAX_DETAILS_NESTING);
    return text.length <= MAX_DETAILS ? text : undefined;
  } catch {
    return undefined;
  }
}
