/**
 * The front door of a runtime: whoever connects chooses the dialect by the frame that begins the session.
 *
 * (F1) `session.open` is classic and `session.hello` is the draft's; `session.resume` is of the dialect in which the session
 *      that its token names was opened.
 * (F2) Until a session begins, each frame is answered in the dialect that it looks like: by its type, where only one
 *      dialect has it, and else by its `timestamp`, which classic frames have and the draft's do not. What looks like
 *      neither is answered as before; at first, in classic.
 */
import { draftRuleFor } from '../protocol/draft/messages.js';
import { isMessageType } from '../protocol/messages.js';
import { isJsonObject, type JsonObject } from '../protocol/scalars.js';
import { Connection, type ConnectionOrigin } from '../runtime/connection.js';
import type { Engine } from '../runtime/engine.js';
import { sessionOfResumeToken } from '../runtime/session.js';
import type { Transport } from '../transport/transport.js';
import { ClassicDialect } from './classic.js';
import type { Dialect } from './dialect.js';
import { DRAFT, DraftDialect } from './draft.js';

/** Serves one connection in whichever dialect it speaks. */
export function serve(engine: Engine, transport: Transport, origin: ConnectionOrigin = {}): void {
  const classic = new ClassicDialect(engine, transport);
  let draft: DraftDialect | undefined;
  let spoken: Dialect = classic;
  const connection = new Connection(engine, classic.peer, origin);

  const choose = (frame: string): void => {
    const heard = dialectOf(frame, engine);
    if (heard === undefined) return;
    spoken = heard === 'classic' ? classic : (draft ??= new DraftDialect(engine, transport));
    connection.speakThrough(spoken.peer);
  };

  transport.start({
    message(frame) {
      if (connection.isGreeting) choose(frame);
      spoken.take(frame, connection);
    },
    binary() {
      connection.refuse({
        kind: 'malformed',
        code: 'INVALID_ARGUMENT',
        message: 'binary frames are not part of the protocol: send JSON as text',
        id: undefined,
        optional: false,
      });
    },
    drained() {
      connection.drained();
    },
    closed(end) {
      spoken.closed();
      connection.closed(end);
    },
  });
}

/** (F1, F2) Nothing where the frame does not tell. */
function dialectOf(text: string, engine: Engine): 'classic' | 'draft' | undefined {
  const frame = objectOf(text);
  const type = frame?.['type'];
  if (frame === undefined || typeof type !== 'string') return undefined;
  const isDraft = draftRuleFor(type) !== undefined;
  const isClassic = isMessageType(type);
  if (isDraft !== isClassic) return isDraft ? 'draft' : 'classic';
  if (!isDraft) return undefined;
  return dialectOfResumed(type, frame, engine) ?? (frame['timestamp'] === undefined ? 'draft' : 'classic');
}

function dialectOfResumed(
  type: string,
  { payload }: JsonObject,
  engine: Engine,
): 'classic' | 'draft' | undefined {
  if (type !== 'session.resume' || !isJsonObject(payload)) return undefined;
  const token = payload['resume_token'];
  const id = typeof token === 'string' ? sessionOfResumeToken(token) : undefined;
  const session = id === undefined ? undefined : engine.sessions.find(id);
  if (session === undefined) return undefined;
  return session.terms.dialect === DRAFT ? 'draft' : 'classic';
}

function objectOf(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
