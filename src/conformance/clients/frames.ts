/** What the runtime of a case says, in the dialect of the client: handshakes, answers, and the events of a job. */
import type { JsonMap } from '../scenarios/matcher.js';
import type { DialectName } from '../scenarios/scenario.js';
import { DRAFT_FEATURES } from '../../protocol/draft/features.js';
import { VERSION } from '../../version.js';
import type { RuntimeEvent } from './case.js';

/** How often a client of a case has to show that it is there, in seconds; it finds a silent runtime in twice that. */
export const HEARTBEAT_SECONDS = 1;

export const HOSTED = ['play', 'report'] as const;

/** What a job is known by. */
export interface ToldJob {
  readonly jobId: string;
  readonly agent: string;
  readonly traceId: string;
  /** Of the command that started it. */
  readonly commandId: string;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

const KIND = 'arcp-conformance-client';

/** The answer to a handshake. */
export function welcome(
  dialect: DialectName,
  sessionId: string,
  resumeToken: string,
  commandId: string,
): JsonMap {
  if (dialect === 'draft') {
    return {
      type: 'session.welcome',
      session_id: sessionId,
      payload: {
        runtime: { name: KIND, version: VERSION },
        resume_token: resumeToken,
        resume_window_sec: 600,
        heartbeat_interval_sec: HEARTBEAT_SECONDS,
        capabilities: { encodings: ['json'], features: [...DRAFT_FEATURES], agents: [...HOSTED] },
      },
    };
  }
  return {
    type: 'session.accepted',
    session_id: sessionId,
    correlation_id: commandId,
    payload: {
      session_id: sessionId,
      resume_token: resumeToken,
      runtime: { kind: KIND, version: VERSION, trust_level: 'trusted' },
      capabilities: {
        durable_jobs: true,
        heartbeat_interval_seconds: HEARTBEAT_SECONDS,
        agents: [...HOSTED],
      },
    },
  };
}

/** The answer to a resume that is granted; `after` is what it is told again from. */
export function resumed(
  dialect: DialectName,
  sessionId: string,
  resumeToken: string,
  { commandId, after }: { readonly commandId: string; readonly after: number },
): JsonMap {
  if (dialect === 'draft') return welcome(dialect, sessionId, resumeToken, commandId);
  return {
    type: 'session.resumed',
    session_id: sessionId,
    correlation_id: commandId,
    payload: { session_id: sessionId, resume_token: resumeToken, replayed_from: after, replayed: true },
  };
}

export function refusedHandshake(dialect: DialectName, commandId: string, refusal: Refusal): JsonMap {
  return dialect === 'draft'
    ? { type: 'session.error', payload: { ...refusal, details: { request_id: commandId } } }
    : { type: 'session.rejected', correlation_id: commandId, payload: refusal };
}

/** A refusal of a command by its id. */
export function refused(
  dialect: DialectName,
  sessionId: string,
  commandId: string,
  refusal: Refusal,
): JsonMap {
  return dialect === 'draft'
    ? {
        type: 'session.error',
        session_id: sessionId,
        payload: { ...refusal, details: { request_id: commandId } },
      }
    : { type: 'nack', session_id: sessionId, correlation_id: commandId, payload: refusal };
}

export function ping(dialect: DialectName, sessionId: string, nonce: string): JsonMap {
  return dialect === 'draft'
    ? {
        type: 'session.ping',
        session_id: sessionId,
        payload: { nonce, sent_at: new Date().toISOString() },
      }
    : { type: 'ping', session_id: sessionId, payload: { nonce } };
}

export function pong(type: string, sessionId: string, commandId: string, nonce: unknown): JsonMap {
  return type === 'session.ping'
    ? {
        type: 'session.pong',
        session_id: sessionId,
        payload: { ping_nonce: nonce, received_at: new Date().toISOString() },
      }
    : {
        type: 'pong',
        session_id: sessionId,
        correlation_id: commandId,
        payload: nonce === undefined ? {} : { nonce },
      };
}

/** An event of a job, without its number and its session. `told` is an instant. */
export function jobEvent(dialect: DialectName, event: RuntimeEvent, job: ToldJob, told: string): JsonMap {
  const { jobId: job_id, traceId: trace_id, commandId } = job;
  if (dialect === 'draft') return { ...draftEvent(event, job, told), job_id, trace_id };
  return { ...classicEvent(event, job, told), job_id, trace_id, correlation_id: commandId };
}

function classicEvent(event: RuntimeEvent, { jobId: job_id, agent }: ToldJob, told: string): JsonMap {
  if ('accepted' in event)
    return { type: 'job.accepted', payload: { job_id, agent: `${agent}@1.0.0`, accepted_at: told } };
  if ('started' in event)
    return { type: 'job.started', payload: { job_id, started_at: told, description: `running ${agent}` } };
  if ('progress' in event) {
    const { progress: current } = event;
    return { type: 'job.progress', payload: { current, message: `${current} done` } };
  }
  if ('log' in event) return { type: 'log', payload: { level: 'info', message: 'x'.repeat(event.log) } };
  if ('chunk' in event) return { type: 'job.result_chunk', payload: chunk(event.chunk) };
  if ('completed' in event) return { type: 'job.completed', payload: event.completed };
  if ('failed' in event) return { type: 'job.failed', payload: event.failed };
  if ('cancelled' in event)
    return { type: 'job.cancelled', payload: { ...event.cancelled, source: 'runtime' } };
  return { type: 'job.telepathy', payload: { thought: 'nobody knows this type' } };
}

function draftEvent(event: RuntimeEvent, { jobId: job_id, agent, traceId }: ToldJob, ts: string): JsonMap {
  const told = (kind: string, body: JsonMap): JsonMap => ({ type: 'job.event', payload: { kind, ts, body } });
  if ('accepted' in event)
    return {
      type: 'job.accepted',
      payload: { job_id, agent: `${agent}@1.0.0`, lease: {}, accepted_at: ts, trace_id: traceId },
    };
  if ('started' in event) return told('status', { phase: 'running' });
  if ('progress' in event) return told('progress', { current: event.progress });
  if ('log' in event) return told('log', { level: 'info', message: 'x'.repeat(event.log) });
  if ('chunk' in event) return told('result_chunk', chunk(event.chunk));
  if ('completed' in event) {
    const { value, ...rest } = event.completed;
    const payload = { final_status: 'success', ...rest, ...(value === undefined ? {} : { result: value }) };
    return { type: 'job.result', payload };
  }
  if ('failed' in event) {
    const final_status = event.failed.code === 'TIMEOUT' ? 'timed_out' : 'error';
    return { type: 'job.error', payload: { final_status, ...event.failed } };
  }
  if ('cancelled' in event) {
    const { reason: message } = event.cancelled;
    const payload = { final_status: 'cancelled', code: 'CANCELLED', message, retryable: false };
    return { type: 'job.error', payload };
  }
  return told('telepathy', { thought: 'nobody knows this kind' });
}

function chunk({ seq, ...rest }: Extract<RuntimeEvent, { chunk: unknown }>['chunk']): JsonMap {
  return { chunk_seq: seq, ...rest };
}

/** Events that are numbered: in draft-1.1 everything of a job but its acceptance (§8.3). */
export function isNumbered(dialect: DialectName, event: RuntimeEvent): boolean {
  return dialect === 'classic' || !('accepted' in event);
}
