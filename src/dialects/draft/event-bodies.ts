/**
 * Native events as events of a job in the draft: one for each, so that the numbers are the same in both dialects
 * (draft-1.1 §8.3 wants them without a gap). What the draft has no kind for is a `status`, or a vendor's kind that carries
 * the native payload.
 *
 * (B1) A payload that says the same in both dialects is not read: its text is the body.
 */
import { isErrorCode, type ErrorPayload } from '../../protocol/errors.js';
import { EVENT_KINDS, type EventKind } from '../../protocol/draft/event-kinds.js';
import { toDraftError } from '../../protocol/draft/errors.js';
import type { DraftFeature } from '../../protocol/draft/features.js';
import type { MessageType, Payload } from '../../protocol/messages.js';
import { isJsonObject } from '../../protocol/scalars.js';
import { draftLease, type NativeLease } from './authority.js';
import type { NativeEvent } from './native-event.js';

export interface KindAndBody {
  readonly kind: string;
  /** JSON. */
  readonly body: string;
}

type Project = (event: NativeEvent, features: ReadonlySet<string>) => KindAndBody;

/** What an event that is no end of a job is in the draft. */
export function eventBody(event: NativeEvent, features: ReadonlySet<string>): KindAndBody {
  return (PROJECTIONS.get(event.type) ?? asVendorKind)(event, features);
}

function status(phase: string, more: Readonly<Record<string, unknown>> = {}): KindAndBody {
  return { kind: 'status', body: JSON.stringify({ phase, ...more }) };
}

/** One that says the same of every job. */
function always(phase: string): Project {
  const same = status(phase);
  return () => same;
}

function asIs(kind: EventKind): Project {
  return ({ payload }) => ({ kind, body: payload });
}

/** A kind that both sides must know of; a client that does not gets the fact alone. */
function withFeature(feature: DraftFeature, project: Project): Project {
  return (event, features) => (features.has(feature) ? project(event, features) : status(feature));
}

/** `job.stream` → `x-vendor.arcp.job_stream` */
const asVendorKind: Project = ({ type, head: { streamId }, payload }) => {
  const kind = `x-vendor.arcp.${type.replaceAll('.', '_')}`;
  if (streamId === undefined) return { kind, body: payload };
  return { kind, body: JSON.stringify({ stream_id: streamId, ...(JSON.parse(payload) as object) }) };
};

/** Progress that only knows its percentage: of 100. */
const PERCENT_ONLY = /^\{"percent":([0-9.e+-]+),"current":\1[,}]/;

const progress: Project = ({ payload }) => {
  if (payload.includes('"total":') || payload.includes('"units":') || !PERCENT_ONLY.test(payload)) {
    return { kind: 'progress', body: payload };
  }
  return { kind: 'progress', body: `${payload.slice(0, -1)},"total":100,"units":"percent"}` };
};

const metric: Project = ({ payload }) => {
  if (!payload.includes('"dims":')) return { kind: 'metric', body: payload };
  const read = JSON.parse(payload) as Payload<'metric'>;
  return { kind: 'metric', body: JSON.stringify({ ...read, dimensions: read.dims }) };
};

const heartbeat: Project = ({ payload }) => {
  const { state, sequence, deadline_ms } = JSON.parse(payload) as Payload<'job.heartbeat'>;
  return status(state, { heartbeat: sequence, deadline_ms });
};

const delegate: Project = ({ payload }) => {
  const { delegate_id, target, task, context, lease_request, cost_budget } = JSON.parse(
    payload,
  ) as Payload<'agent.delegate'>;
  const given = isJsonObject(context) ? context['arguments'] : undefined;
  const asked: NativeLease = {
    ...(cost_budget === undefined ? {} : { cost_budget }),
    ...lease_request,
  };
  const { lease, lease_constraints } = draftLease(asked);
  const body = {
    delegate_id,
    agent: target,
    input: given === undefined ? { task, context } : given,
    ...(task === '' ? {} : { task }),
    ...(Object.keys(lease).length === 0 ? {} : { lease_request: lease }),
    ...(lease_constraints === undefined ? {} : { lease_constraints }),
  };
  return { kind: 'delegate', body: JSON.stringify(body) };
};

/** A delegation that was refused is the answer to the call that asked for it (draft-02 §10). */
function delegationRefused(data: unknown): KindAndBody | undefined {
  if (!isJsonObject(data)) return undefined;
  const { delegate_id: callId, code, message } = data;
  if (typeof callId !== 'string' || typeof message !== 'string') return undefined;
  const error: ErrorPayload = {
    code: typeof code === 'string' && isErrorCode(code) ? code : 'UNKNOWN',
    message,
  };
  return { kind: 'tool_result', body: JSON.stringify({ call_id: callId, error: toDraftError(error) }) };
}

/** Kinds that agents emit by name, as they are emitted natively. */
const EMITTED: ReadonlySet<string> = new Set([
  'thought',
  'tool_call',
  'tool_result',
  'status',
  'artifact_ref',
]);

/** What was emitted under the name of a kind is of that kind, if it is what that kind must be. */
const emitted: Project = (event) => {
  const { name, data } = JSON.parse(event.payload) as Payload<'event.emit'>;
  const body = data === undefined ? '{}' : JSON.stringify(data);
  if (name === 'agent.delegate.refused') return delegationRefused(data) ?? { kind: vendorKind(name), body };
  if (name === 'job.restarted') return status('restarted', isJsonObject(data) ? data : {});
  if (EMITTED.has(name) && EVENT_KINDS[name as EventKind].body.safeParse(data).success) {
    return { kind: name, body };
  }
  return { kind: vendorKind(name), body };
};

/** A vendor's own name as it is; any other as one of ours, with what a kind cannot hold left out. */
function vendorKind(name: string): string {
  if (/^x-vendor\.[a-z0-9_.-]{1,200}$/.test(name)) return name;
  return `x-vendor.arcp.${name
    .toLowerCase()
    .slice(0, 200)
    .replaceAll(/[^a-z0-9_.-]/g, '_')}`;
}

const NO_FEATURES: ReadonlySet<string> = new Set();

/** Only chunks of a stream of kind `thought` have `content`. */
const streamChunk: Project = (event) => {
  const { content, role, sequence } = JSON.parse(event.payload) as Payload<'stream.chunk'>;
  if (typeof content !== 'string') return asVendorKind(event, NO_FEATURES);
  const { streamId: stream_id } = event.head;
  return { kind: 'thought', body: JSON.stringify({ text: content, role, stream_id, sequence }) };
};

const artifact: Project = ({ payload }) => {
  const read = JSON.parse(payload) as Payload<'artifact.ref'>;
  const { uri, media_type, size, sha256, artifact_id } = read.artifact;
  const body = { uri, content_type: media_type, byte_size: size, sha256, artifact_id };
  return { kind: 'artifact_ref', body: JSON.stringify(body) };
};

/** Asks for what this dialect has no answer to: it is told where the job stands. */
function phase(name: string): Project {
  return ({ payload }) => status(name, JSON.parse(payload) as object as Readonly<Record<string, unknown>>);
}

const PROJECTIONS: ReadonlyMap<string, Project> = new Map<MessageType, Project>([
  ['job.accepted', always('pending')],
  ['job.started', always('running')],
  ['job.heartbeat', heartbeat],
  ['job.progress', withFeature('progress', progress)],
  ['job.result_chunk', withFeature('result_chunk', asIs('result_chunk'))],
  ['job.checkpoint', ({ payload }) => status('checkpoint', checkpointOf(payload))],
  ['log', asIs('log')],
  ['metric', metric],
  ['agent.delegate', delegate],
  // Its value follows in `job.result`.
  ['workflow.complete', always('workflow_complete')],
  ['event.emit', emitted],
  ['stream.chunk', streamChunk],
  ['artifact.ref', artifact],
  ['permission.request', phase('awaiting_permission')],
  ['human.input.request', phase('awaiting_input')],
  ['human.choice.request', phase('awaiting_input')],
  ['human.input.cancelled', phase('input_cancelled')],
  ['lease.granted', phase('lease_granted')],
  ['lease.extended', phase('lease_extended')],
  ['lease.revoked', phase('lease_revoked')],
]);

function checkpointOf(payload: string): { readonly checkpoint_id: string } {
  const { checkpoint_id } = JSON.parse(payload) as Payload<'job.checkpoint'>;
  return { checkpoint_id };
}
