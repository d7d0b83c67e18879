/**
 * What happens to a session and to no job: refusals, and jobs that are told again. It is kept in parts, so that the
 * oldest can be forgotten when there is too much of it (law L7); who has not seen that by then cannot resume.
 */
import type { SessionId } from '../protocol/ids.js';
import {
  EventLog,
  type EventObserver,
  type LogContext,
  type LogSubject,
  type Numbering,
} from './event-log.js';
import type { Limits } from './limits.js';

export interface SessionLogContext extends LogContext {
  readonly limits: Limits;
  /** Forgets logs, once what was appended to them is committed. */
  dropLogs(logs: readonly string[]): void;
}

const PARTS = 4;

/** Marks the logs of sessions: a job's says more. */
export const SESSION_HEAD = '';

export class SessionLog {
  readonly #sessionId: SessionId;
  readonly #observer: EventObserver;
  readonly #subject: LogSubject;
  readonly #numbering: Numbering;
  /** Oldest first. */
  #parts: EventLog[] = [];
  #begun = 0;

  constructor(sessionId: SessionId, principal: string, observer: EventObserver, numbering: Numbering) {
    this.#sessionId = sessionId;
    this.#observer = observer;
    this.#numbering = numbering;
    this.#subject = { principal, sessionId, jobId: undefined, traceId: undefined, priority: 'normal' };
  }

  /** The part to append to. Do not keep it: the next event may belong to another. */
  current(context: SessionLogContext): EventLog {
    const latest = this.#parts.at(-1);
    if (latest !== undefined && latest.size < context.limits.maxSessionLogBytes / PARTS) return latest;
    this.#begun += 1;
    const name = this.#begun === 1 ? this.#sessionId : `${this.#sessionId}.${this.#begun}`;
    const part = this.#part(name, context);
    this.#parts.push(part);
    const surplus = this.#parts.splice(0, this.#parts.length - PARTS).map(({ id }) => id);
    if (surplus.length > 0) context.dropLogs(surplus);
    return part;
  }

  #part(name: string, context: SessionLogContext): EventLog {
    const part = new EventLog(name, {}, context, { head: SESSION_HEAD, subject: this.#subject });
    part.numbering = this.#numbering;
    part.observe(this.#observer);
    return part;
  }

  /** Takes up the parts that the store has, oldest first. Their events are yet to be replayed. */
  restore(parts: readonly string[], context: SessionLogContext): void {
    this.#parts = parts.map((name) => this.#part(name, context));
    this.#begun = Math.max(0, ...parts.map(numberOfPart));
  }

  get parts(): readonly EventLog[] {
    return this.#parts;
  }

  /** The logs that it is kept in. */
  get names(): string[] {
    return this.#parts.map(({ id }) => id);
  }
}

/** Parts are numbered from 1; the first has the session's id and no number behind it. */
export function numberOfPart(name: string): number {
  const end = name.indexOf('.');
  return end === -1 ? 1 : Number(name.slice(end + 1));
}

/** The session that a log, which is no job's, belongs to. */
export function sessionOfLog(log: string): string {
  const end = log.indexOf('.');
  return end === -1 ? log : log.slice(0, end);
}
