/**
 * What the events of a task's job say of the task: the one table from the language of jobs to that of fleets.
 * `queued`, `leased`, `interrupted`, `stale`, `restarted` and `escalated` are the manager's to tell, see `MANAGER_STATES`.
 */
import type { FleetWorkerEventPayload, FleetWorkerEventState } from '../../protocol/fleet/index.js';
import { readFleet } from '../../protocol/fleet/index.js';
import type { MessageType, Payload } from '../../protocol/messages.js';
import { isJsonObject, type JsonObject } from '../../protocol/scalars.js';

/** The states that no event of a job tells. */
export const MANAGER_STATES = [
  'queued',
  'leased',
  'interrupted',
  'stale',
  'restarted',
  'escalated',
] as const satisfies readonly FleetWorkerEventState[];

type Told = FleetWorkerEventPayload | undefined;

type Reading = { readonly [Type in MessageType]?: (payload: Payload<Type>) => Told };

/** Events that an agent emits by name (`event.emit`), as both dialects write a tool call. */
const NAMED = {
  tool_call: (data) => ({ state: 'running_tool', tool: textOf(data['tool']) ?? 'unknown', ...callId(data) }),
  tool_result: () => ({ state: 'running' }),
  model_call: (data) => ({ state: 'model_wait', ...model(data) }),
  model_result: () => ({ state: 'running' }),
  artifact_ref: (data) => artifact(data),
} as const satisfies Record<string, (data: JsonObject) => Told>;

/** Metrics that a worker measures of itself. */
const MEASURED = { cpu_percent: 'cpu_percent', memory_mb: 'memory_mb' } as const;

export const JOB_EVENTS: Reading = {
  'job.accepted': () => ({ state: 'starting' }),
  'job.started': () => ({ state: 'running' }),
  'job.progress': () => ({ state: 'running' }),
  'job.heartbeat': () => ({ state: 'heartbeat' }),
  metric: ({ name, value }) => measured(name, value),
  'event.emit': ({ name, data }) =>
    Object.hasOwn(NAMED, name)
      ? NAMED[name as keyof typeof NAMED](isJsonObject(data) ? data : {})
      : undefined,
  'job.completed': ({ value, summary }) => ({
    state: 'completed',
    ...exitCode(value),
    ...summarized(summary),
  }),
  'job.failed': ({ code, message, retryable }) => ({
    state: 'failed',
    reason: `${code}: ${message}`,
    recoverable: retryable ?? false,
  }),
  'job.cancelled': ({ source }) => ({
    state: 'cancelled',
    ...(source === undefined ? {} : { cancelled_by: source }),
  }),
};

/** What an event of a task's job tells of the task, if anything. */
export function workerEventOf<Type extends MessageType>(type: Type, payload: Payload<Type>): Told {
  const read = JOB_EVENTS[type] as ((payload: Payload<Type>) => Told) | undefined;
  return read?.(payload);
}

/** What an agent said beside, under `extra` of an event that tells something of the task (fleet.rs `FleetWorkerEvent`). */
export function extraOf<Type extends MessageType>(
  type: Type,
  payload: Payload<Type>,
): JsonObject | undefined {
  if (type !== 'event.emit') return undefined;
  const { data } = payload as Payload<'event.emit'>;
  const extra = isJsonObject(data) ? data['extra'] : undefined;
  return isJsonObject(extra) && Object.keys(extra).length > 0 ? extra : undefined;
}

function measured(name: string, value: number): Told {
  if (!Object.hasOwn(MEASURED, name) || value < 0) return undefined;
  // Whole megabytes (fleet.rs `memory_mb: u64`).
  return name === MEASURED.memory_mb
    ? { state: 'heartbeat', memory_mb: Math.round(value) }
    : { state: 'heartbeat', cpu_percent: value };
}

/** An agent's own words: what is no artifact tells nothing. */
function artifact(data: JsonObject): Told {
  const {
    path,
    uri,
    kind,
    content_type: contentType,
    mime_type: mimeType,
    byte_size,
    size_bytes,
    sha256,
    checksum,
  } = data;
  try {
    return readFleet('worker_event_payload', {
      state: 'artifact',
      kind: textOf(kind) ?? 'log',
      path: textOf(path) ?? textOf(uri),
      mime_type: textOf(mimeType) ?? textOf(contentType),
      size_bytes: size_bytes ?? byte_size ?? null,
      checksum: textOf(checksum) ?? (typeof sha256 === 'string' ? `sha256:${sha256}` : undefined),
    });
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.isWellFormed() ? value : undefined;
}

function callId(data: JsonObject): { readonly call_id?: string } {
  const id = textOf(data['call_id']);
  return id === undefined ? {} : { call_id: id };
}

function model(data: JsonObject): { readonly model?: string } {
  const name = textOf(data['model']);
  return name === undefined ? {} : { model: name };
}

/** The agent that runs commands answers with the exit code. */
function exitCode(value: unknown): { readonly exit_code?: number } {
  const code = isJsonObject(value) ? value['exit_code'] : undefined;
  const isCode = typeof code === 'number' && Number.isInteger(code) && Math.abs(code) <= 0x7fff_ffff;
  return isCode ? { exit_code: code } : {};
}

function summarized(summary: string | undefined): { readonly summary?: string } {
  return summary === undefined ? {} : { summary };
}
