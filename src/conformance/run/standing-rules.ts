/**
 * What must hold of every frame of every scenario, whatever it is about. Each rule cites the requirement that it stands
 * for, so that a fault that nobody looked for still has a name. `spec-fixtures/README.md` lists them.
 *
 * (R1) Events that a resumed session is told again are not new: they must be what they were, and count for nothing else.
 * (R2) A job that has ended says no more until somebody asks for it again: by the same idempotency key, or by watching it.
 */
import { isMap, shown, type JsonMap } from '../scenarios/matcher.js';
import type { DialectName } from '../scenarios/scenario.js';

export interface Violation {
  readonly requirement: string;
  readonly message: string;
}

interface Chunks {
  next: number;
  isFinal: boolean;
}

/** What is known of one session over all of its connections. */
export class SessionHistory {
  /** Ids that went over the session's wires, either way: questions are answered by either side. */
  readonly named = new Set<string>();
  readonly accepted = new Set<string>();
  readonly ended = new Set<string>();
  readonly results = new Map<string, Chunks>();
  /** The numbered events, as text, by number. */
  readonly events = new Map<number, string>();
  lastSeq = 0;
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

const TERMINALS: Readonly<Record<DialectName, ReadonlySet<string>>> = {
  classic: new Set(['job.completed', 'job.failed', 'job.cancelled']),
  draft: new Set(['job.result', 'job.error']),
};

/** Types that are about a job without being events of it. */
const ABOUT_JOBS: ReadonlySet<string> = new Set([
  'job.accepted',
  'job.subscribed',
  'cancel.accepted',
  'cancel.refused',
]);

export class StandingRules {
  readonly #dialect: DialectName;
  readonly #history: SessionHistory;
  readonly #ids = new Set<string>();
  #lastSeq: number;
  #sessionId: string | undefined;

  /** @param after the last event that the client said it knows */
  constructor(dialect: DialectName, history: SessionHistory, after = 0) {
    this.#dialect = dialect;
    this.#history = history;
    this.#lastSeq = after;
  }

  /** The session's id, once it is known. */
  belongTo(sessionId: string): void {
    this.#sessionId = sessionId;
  }

  sent({ id }: JsonMap): void {
    if (typeof id === 'string') this.#history.named.add(id);
  }

  /** Everything that is wrong with a frame that came. */
  received(frame: JsonMap): Violation[] {
    const violations = [...this.#shape(frame), ...this.#numbering(frame)];
    const seq = frame['event_seq'];
    if (typeof seq === 'number' && seq <= this.#history.lastSeq)
      return [...violations, ...this.#again(frame, seq)];
    if (typeof seq === 'number') {
      this.#history.lastSeq = seq;
      this.#history.events.set(seq, eventText(frame));
    }
    return [...violations, ...this.#correlation(frame), ...this.#lifecycle(frame), ...this.#progress(frame)];
  }

  #shape(frame: JsonMap): Violation[] {
    const { id, type, payload, timestamp } = frame;
    const isClassic = this.#dialect === 'classic';
    const wrong: string[] = [];
    if (typeof frame['arcp'] !== 'string' || frame['arcp'] === '') wrong.push('arcp');
    if (typeof id !== 'string' || id === '' || (isClassic && !id.startsWith('msg_'))) wrong.push('id');
    if (typeof type !== 'string' || type === '') wrong.push('type');
    if (isClassic && (typeof timestamp !== 'string' || !RFC3339.test(timestamp))) wrong.push('timestamp');
    if (!isMap(payload)) wrong.push('payload');
    const violations: Violation[] = wrong.map((field) => ({
      requirement: isClassic ? 'C-6.1.1-1' : 'D-5-1',
      message: `the envelope's ${field} is ${shown(frame[field])}`,
    }));
    if (typeof id === 'string') {
      if (this.#ids.has(id)) {
        const message = `the id ${id} stands on two frames of one connection`;
        violations.push({ requirement: isClassic ? 'C-6.1.1-2' : 'D-5-2', message });
      }
      this.#ids.add(id);
      this.#history.named.add(id);
    }
    const session = frame['session_id'];
    if (this.#sessionId !== undefined && session !== undefined && session !== this.#sessionId) {
      const message = `the session is ${this.#sessionId}, and the frame says ${shown(session)}`;
      violations.push({ requirement: isClassic ? 'C-6.1.1-3' : 'D-5-3', message });
    }
    return violations;
  }

  #numbering({ type, event_seq: seq }: JsonMap): Violation[] {
    const isClassic = this.#dialect === 'classic';
    const numbered = isClassic ? undefined : type === 'job.event' || TERMINALS.draft.has(String(type));
    if (seq === undefined || seq === null) {
      if (numbered !== true) return [];
      return [{ requirement: 'D-8.3-2', message: `${String(type)} carries no event_seq` }];
    }
    const uncounted = isClassic ? /^(?:session\..*|ping|pong)$/.test(String(type)) : numbered === false;
    if (uncounted) {
      const message = `${String(type)} carries event_seq ${shown(seq)}`;
      return [{ requirement: isClassic ? 'S-seq-2' : 'D-8.3-2', message }];
    }
    const expected = this.#lastSeq + 1;
    if (typeof seq === 'number') this.#lastSeq = seq;
    if (seq === expected) return [];
    const message = `event_seq ${shown(seq)} came where ${expected} was due`;
    return [{ requirement: isClassic ? 'S-seq-1' : 'D-8.3-1', message }];
  }

  /** (R1) */
  #again(frame: JsonMap, seq: number): Violation[] {
    const before = this.#history.events.get(seq);
    if (before === undefined || before === eventText(frame)) return [];
    const message = `event ${seq} was ${before.slice(0, 200)}, and is told again as ${eventText(frame).slice(0, 200)}`;
    return [{ requirement: this.#dialect === 'classic' ? 'C-19-2' : 'D-6.3-3', message }];
  }

  /** Of jobs that the session joined, by watching or by a key, the events answer what another session sent. */
  #correlation({ type, correlation_id: id, job_id: job }: JsonMap): Violation[] {
    const { named, accepted } = this.#history;
    if (this.#dialect === 'draft' || typeof id !== 'string' || named.has(id)) return [];
    if (typeof job === 'string' && accepted.has(job)) return [];
    const message = `${String(type)} answers ${id}, which nobody sent in this session`;
    return [{ requirement: 'C-6.3-1', message }];
  }

  #lifecycle(frame: JsonMap): Violation[] {
    const { type, job_id: jobId } = frame;
    const payload = isMap(frame['payload']) ? frame['payload'] : {};
    const { accepted, ended } = this.#history;
    const isClassic = this.#dialect === 'classic';
    const id = typeof jobId === 'string' ? jobId : payload['job_id'];
    if (
      type === 'cancel.accepted' &&
      typeof payload['target_id'] === 'string' &&
      ended.has(payload['target_id'])
    ) {
      return [{ requirement: 'C-10.4-2', message: 'cancel.accepted came after the end of its job' }];
    }
    if (typeof id !== 'string' || typeof type !== 'string') return [];
    if (type === 'job.accepted' || type === 'job.subscribed') {
      accepted.add(id);
      ended.delete(id);
      this.#forgetResults(id);
      return [];
    }
    if (ABOUT_JOBS.has(type) || frame['event_seq'] === undefined) return [];
    const isEnd = TERMINALS[this.#dialect].has(type);
    const violations: Violation[] = [];
    if (ended.has(id)) {
      const message = `${type} of ${id} came after its end`;
      violations.push({ requirement: isClassic ? 'C-10.2-1' : 'D-7.3-1', message });
    } else if (!isEnd && !accepted.has(id)) {
      const message = `${type} of ${id} came before its job.accepted`;
      violations.push({ requirement: isClassic ? 'C-10.1-1' : 'D-7.1-1', message });
    }
    violations.push(...this.#chunks(id, type, payload));
    if (isEnd) ended.add(id);
    return violations;
  }

  /** Results are told again from their first chunk to whoever asks for the job again. */
  #forgetResults(jobId: string): void {
    for (const key of this.#history.results.keys()) {
      if (key.startsWith(`${jobId} `)) this.#history.results.delete(key);
    }
  }

  #chunks(jobId: string, type: string, payload: JsonMap): Violation[] {
    const requirement = this.#dialect === 'classic' ? 'S-chunks-1' : 'D-8.4-1';
    const body = this.#dialect === 'classic' ? payload : isMap(payload['body']) ? payload['body'] : {};
    const isChunk =
      type === 'job.result_chunk' || (type === 'job.event' && payload['kind'] === 'result_chunk');
    const { results } = this.#history;
    if (isChunk) {
      const key = `${jobId} ${String(body['result_id'])}`;
      const state = results.get(key) ?? { next: 0, isFinal: false };
      results.set(key, state);
      const { next, isFinal } = state;
      state.next = next + 1;
      state.isFinal = body['more'] === false;
      if (isFinal) return [{ requirement, message: `a chunk of ${key} came after the final one` }];
      if (body['chunk_seq'] === next) return [];
      return [{ requirement, message: `chunk_seq ${shown(body['chunk_seq'])} came where ${next} was due` }];
    }
    const isSuccess = type === 'job.completed' || type === 'job.result';
    const resultId = payload['result_id'];
    if (!isSuccess || typeof resultId !== 'string') return [];
    const state = results.get(`${jobId} ${resultId}`);
    if (state === undefined || state.isFinal) return [];
    return [{ requirement, message: `${type} names the result ${resultId}, whose final chunk did not come` }];
  }

  #progress({ type, payload }: JsonMap): Violation[] {
    if (!isMap(payload)) return [];
    const isClassic = this.#dialect === 'classic';
    const isIt = isClassic ? type === 'job.progress' : type === 'job.event' && payload['kind'] === 'progress';
    const body = isClassic ? payload : payload['body'];
    if (!isIt || !isMap(body)) return [];
    const { current, total, percent } = body;
    const isWithin =
      typeof current === 'number' && current >= 0 && !(typeof total === 'number' && current > total);
    const isPercent =
      percent === undefined || (typeof percent === 'number' && percent >= 0 && percent <= 100);
    if (isWithin && isPercent) return [];
    const message = `progress of ${shown(current)} out of ${shown(total)}, ${shown(percent)} %`;
    return [{ requirement: isClassic ? 'S-progress-1' : 'D-8.2.1-1', message }];
  }
}

/** What of an event does not change when it is told again. Ids of frames and times of sending may. */
function eventText({ type, job_id, payload }: JsonMap): string {
  return JSON.stringify([type, job_id, payload]);
}

/** The requirements that the rules stand for. */
export const STANDING_REQUIREMENTS: readonly string[] = [
  'C-6.1.1-1',
  'C-6.1.1-2',
  'C-6.1.1-3',
  'C-6.3-1',
  'C-10.1-1',
  'C-10.2-1',
  'C-10.4-2',
  'C-19-2',
  'S-seq-1',
  'S-seq-2',
  'S-chunks-1',
  'S-progress-1',
  'D-5-1',
  'D-5-2',
  'D-5-3',
  'D-6.3-3',
  'D-7.1-1',
  'D-7.3-1',
  'D-8.2.1-1',
  'D-8.3-1',
  'D-8.3-2',
  'D-8.4-1',
];
