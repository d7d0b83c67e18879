/** The pieces that mutants are made of. */
import { nanoid } from 'nanoid';
import type { Frame, Memory, Rewrite } from './proxy.js';

export type Payload = Readonly<Record<string, unknown>>;

export function payloadOf({ payload }: Frame): Payload {
  return typeof payload === 'object' && payload !== null ? (payload as Payload) : {};
}

export function withPayload(frame: Frame, more: Payload): Frame {
  return { ...frame, payload: { ...payloadOf(frame), ...more } };
}

/** The same frame as another one. */
export function again(frame: Frame): Frame {
  return { ...frame, id: `msg_${nanoid()}` };
}

/** Rewrites frames of one type only. */
export function on(type: string, rewrite: Rewrite): Rewrite {
  return (frame, memory) => (frame.type === type ? rewrite(frame, memory) : [frame]);
}

/** Frames of that type, and where it is given those that match, never arrive. */
export function without(type: string, matches: (frame: Frame) => boolean = () => true): Rewrite {
  return on(type, (frame) => (matches(frame) ? [] : [frame]));
}

/** The first frame of one type comes after the next frame of the other. */
export function late(held: string, isNext: (frame: Frame) => boolean): Rewrite {
  return (frame, { own }) => {
    const waiting = own.get('held') as Frame | undefined;
    if (frame.type === held && waiting === undefined && !own.has('done')) {
      own.set('held', frame);
      return [];
    }
    if (waiting === undefined || !isNext(frame)) return [frame];
    own.delete('held');
    own.set('done', true);
    return [frame, waiting];
  };
}

/** What is in a set of texts that is shared between connections. */
export function remembered({ shared }: Memory, name: string): Map<string, Frame> {
  const known = (shared.get(name) as Map<string, Frame> | undefined) ?? new Map<string, Frame>();
  shared.set(name, known);
  return known;
}

/** An answer of the runtime's to a command, made up. */
export function answer({ id, session_id }: Frame, type: string, payload: Payload): Frame {
  return {
    arcp: '1.1',
    id: `msg_${nanoid()}`,
    type,
    timestamp: new Date().toISOString(),
    ...(session_id === undefined ? {} : { session_id }),
    correlation_id: id,
    payload,
  };
}
