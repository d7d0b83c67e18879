/**
 * What a scenario was told of its jobs, in a form in which two runs can be compared.
 *
 * (X1) Job by job, as one connection heard of it: how the events of several jobs are interleaved is nobody's promise.
 * (X2) Ids, tokens and times are replaced by their places; the numbering of sessions, which counts all jobs, is left out.
 * (X3) Heartbeats come when they are due. They count only of agents that send their own, and where they tell of a block.
 * (X4) What a resume repeats counts once: how much that is depends on when the connection dropped.
 * (X5) Of a job whose end was not heard the one run may have heard more than the other, and no more than that.
 */
import { isMap, type JsonMap, type Scenario } from '../../../src/conformance/index.js';

/** By connection and job, in the order in which they were first heard of. */
export type Transcript = ReadonlyMap<string, readonly string[]>;

const ID =
  /\b(?:msg|job|sess|str|sub|lease|art|res|cred|chk|rt|del|sched)_(?!(?:ids?|ref|seconds|budget|spent)\b)[\w.-]+/g;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
const TRACE = /\b[0-9a-f]{32}\b/g;
/** What names the run. */
const RUN = /\b[0-9a-f]{12}\b/g;

const ENDS = ['job.completed', 'job.failed', 'job.cancelled', 'job.result', 'job.error'];

export class Recorder {
  readonly #jobs = new Map<string, Map<string, JsonMap[]>>();

  hear({ id }: Scenario, connection: string, frame: JsonMap): void {
    const { job_id: jobId } = frame;
    if (typeof jobId !== 'string' || isAnswer(frame)) return;
    const jobs = this.#jobs.get(id) ?? new Map<string, JsonMap[]>();
    this.#jobs.set(id, jobs);
    const key = `${connection} ${jobId}`;
    const heard = jobs.get(key) ?? [];
    // (X4)
    if (!heard.some((one) => one['id'] === frame['id'])) jobs.set(key, [...heard, frame]);
  }

  transcript(scenario: Scenario): Transcript {
    const beats = JSON.stringify(scenario.steps).includes('"stall');
    const told = new Map<string, string[]>();
    let place = 0;
    for (const [key, frames] of this.#jobs.get(scenario.id) ?? []) {
      const names = new Map<string, string>();
      const [connection = ''] = key.split(' ');
      told.set(
        `${connection} ${place++}`,
        frames.filter((frame) => beats || !isBeat(frame)).map((frame) => named(frame, names)),
      );
    }
    return told;
  }
}

/** How two runs differ, or nothing. */
export function difference(one: Transcript, other: Transcript): string | undefined {
  if (one.size !== other.size) return `${one.size} jobs, and ${other.size}`;
  for (const [key, events] of one) {
    const others = other.get(key);
    if (others === undefined) return `job ${key} is not in both`;
    const isWhole = hasEnd(events) && hasEnd(others);
    const count = isWhole ? Math.max(events.length, others.length) : Math.min(events.length, others.length);
    for (let at = 0; at < count; at += 1)
      if (events[at] !== others[at])
        return `job ${key}, event ${at}:\n  ${events[at] ?? 'nothing'}\n  ${others[at] ?? 'nothing'}`;
  }
  return undefined;
}

function hasEnd(events: readonly string[]): boolean {
  return events.some((event) => ENDS.some((type) => event.includes(`"type":"${type}"`)));
}

/** Answers that belong to the connection, whatever job they are about. */
function isAnswer({ type, payload }: JsonMap): boolean {
  // The draft answers a cancel under the name of a job's end.
  if (type === 'job.cancelled' && isMap(payload) && 'request_id' in payload) return true;
  return ['ack', 'nack', 'pong', 'cancel.accepted', 'cancel.refused', 'job.subscribed'].includes(
    String(type),
  );
}

function isBeat({ type, payload }: JsonMap): boolean {
  if (!isMap(payload)) return false;
  if (type === 'job.event') return payload['kind'] === 'heartbeat';
  return type === 'job.heartbeat' && payload['state'] === 'running';
}

function named(frame: JsonMap, names: Map<string, string>): string {
  const { type, payload, correlation_id, stream_id } = frame;
  const text = JSON.stringify({ type, correlation_id, stream_id, payload });
  const name = (id: string): string => {
    const known = names.get(id) ?? `<${names.size}>`;
    names.set(id, known);
    return known;
  };
  return text
    .replaceAll(TIME, '<time>')
    .replaceAll(ID, name)
    .replaceAll(TRACE, name)
    .replaceAll(RUN, '<run>');
}
