/**
 * What a client of the draft sends, as native messages (law L5).
 *
 * (C1) What was not agreed on is refused by the name of the feature (draft-1.1 §6.2); an `ack` is passed over.
 * (C2) What refuses a `job.submit` is about a request for work, so that `job.error` answers it.
 */
import type { AnyEnvelope, Envelope, Refusal } from '../../protocol/envelope.js';
import type { ErrorCode } from '../../protocol/errors.js';
import type { AnyDraftEnvelope, DraftEnvelope } from '../../protocol/draft/envelope.js';
import type { DraftFeature } from '../../protocol/draft/features.js';
import { draftRuleFor, type DraftMessageType } from '../../protocol/draft/messages.js';
import { DRAFT_STATUSES, statesOf, type DraftStatus } from '../../protocol/draft/statuses.js';
import { isId, type JobId } from '../../protocol/ids.js';
import type { MessageType, Payload } from '../../protocol/messages.js';
import { nativeLease } from './authority.js';
import { toMessageId } from './message-ids.js';

/** A cancelled agent has this long to end by itself (draft-02 §7.4), in milliseconds. */
const CANCEL_GRACE_MS = 30_000;

/** What the translation goes by. */
export interface Tongue {
  /** What was agreed on; nothing before there is a session. */
  readonly features: ReadonlySet<string> | undefined;
  readonly now: string;
}

export type Translated =
  | { readonly kind: 'command'; readonly envelope: AnyEnvelope }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'ignored' };

export function toNative(envelope: AnyDraftEnvelope, tongue: Tongue): Translated {
  const { type } = envelope;
  const rule = draftRuleFor(type);
  if (rule?.direction === 'runtime') return refused(envelope, `${type} is sent by runtimes only`);
  if (rule?.feature !== undefined && lacks(tongue, rule.feature)) {
    return refused(envelope, notAgreed(rule.feature));
  }
  const translate = TRANSLATIONS.get(type) as Translate<DraftMessageType> | undefined;
  return translate === undefined ? { kind: 'ignored' } : translate(envelope, tongue);
}

/** A refusal of a frame in native terms. */
export function refusalOf(
  about: Pick<DraftEnvelope, 'trace_id'> & {
    readonly id?: string | undefined;
    readonly type?: string | undefined;
  },
  message: string,
  code: ErrorCode = 'INVALID_REQUEST',
): Refusal {
  const { id, type, trace_id: traceId } = about;
  const native = type === undefined ? undefined : REFUSED_AS.get(type as DraftMessageType);
  return {
    kind: 'malformed',
    code,
    message,
    id: id === undefined ? undefined : toMessageId(id),
    optional: false,
    ...(native === undefined ? {} : { type: native }),
    traceId,
  };
}

/** (C2) What a refused frame was an attempt at. */
const REFUSED_AS: ReadonlyMap<DraftMessageType, MessageType> = new Map<DraftMessageType, MessageType>([
  ['session.hello', 'session.open'],
  ['session.resume', 'session.open'],
  ['job.submit', 'tool.invoke'],
  ['job.cancel', 'cancel'],
  ['job.subscribe', 'job.subscribe'],
]);

function refused(envelope: AnyDraftEnvelope, message: string, code?: ErrorCode): Translated {
  return { kind: 'refused', refusal: refusalOf(envelope, message, code) };
}

/** Without a session there is nothing to go by: what comes then is dropped anyway. */
function lacks({ features }: Tongue, feature: DraftFeature): boolean {
  return features !== undefined && !features.has(feature);
}

function notAgreed(feature: DraftFeature): string {
  return `the feature ${feature} was not agreed on: name it in session.hello`;
}

type Translate<T extends DraftMessageType> = (envelope: DraftEnvelope<T>, tongue: Tongue) => Translated;

interface Extra {
  readonly job_id?: JobId;
  readonly idempotency_key?: string | undefined;
}

function command<T extends MessageType>(
  { id, arcp, trace_id }: DraftEnvelope,
  { now }: Tongue,
  type: T,
  payload: Payload<T>,
  { job_id, idempotency_key }: Extra = {},
): Translated {
  const envelope: Envelope<T> = {
    arcp,
    id: toMessageId(id),
    type,
    timestamp: now,
    payload,
    ...(trace_id === undefined ? {} : { trace_id }),
    ...(job_id === undefined ? {} : { job_id }),
    ...(idempotency_key === undefined ? {} : { idempotency_key }),
  };
  return { kind: 'command', envelope: envelope as AnyEnvelope };
}

const hello: Translate<'session.hello'> = (envelope, tongue) => {
  const { client, auth, capabilities, resume } = envelope.payload;
  const { encodings = ['json'] } = capabilities;
  if (!encodings.includes('json')) {
    return refused(envelope, 'payload.capabilities.encodings: json is what is spoken here');
  }
  if (resume !== undefined) {
    const { resume_token, last_event_seq } = resume;
    return command(envelope, tongue, 'session.resume', { resume_token, last_event_seq, auth });
  }
  const { name: kind, ...rest } = client;
  return command(envelope, tongue, 'session.open', { auth, client: { kind, ...rest }, capabilities: {} });
};

const resume: Translate<'session.resume'> = (envelope, tongue) => {
  const { resume_token, last_event_seq } = envelope.payload;
  return command(envelope, tongue, 'session.resume', { resume_token, last_event_seq });
};

const submit: Translate<'job.submit'> = (envelope, tongue) => {
  const { agent, input, lease_request, lease_constraints, idempotency_key, max_runtime_sec } =
    envelope.payload;
  const needed: [boolean, DraftFeature][] = [
    [agent.includes('@'), 'agent_versions'],
    [lease_constraints?.expires_at !== undefined, 'lease_expires_at'],
    [lease_request?.['cost.budget'] !== undefined, 'cost.budget'],
    [lease_request?.['model.use'] !== undefined, 'model.use'],
  ];
  for (const [isUsed, feature] of needed) {
    if (isUsed && lacks(tongue, feature)) return refused(envelope, notAgreed(feature));
  }
  const args = input === undefined ? {} : input;
  const shared = {
    lease_request: nativeLease(envelope.payload),
    max_runtime_ms: max_runtime_sec === undefined ? undefined : 1_000 * max_runtime_sec,
  };
  const { parent_job_id: parent, delegate_id } = envelope.payload;
  if (parent === undefined) {
    const payload = { tool: agent, arguments: args, ...shared };
    return command(envelope, tongue, 'tool.invoke', payload, { idempotency_key });
  }
  if (!isId('job', parent)) return refused(envelope, 'there is no such job', 'NOT_FOUND');
  const payload = { target: agent, task: '', context: { arguments: args }, delegate_id, ...shared };
  return command(envelope, tongue, 'agent.delegate', payload, { job_id: parent, idempotency_key });
};

const cancel: Translate<'job.cancel'> = (envelope, tongue) => {
  const { reason, job_id = envelope.job_id } = envelope.payload;
  if (job_id === undefined) return refused(envelope, 'job_id: missing, expected the job to cancel');
  const payload = { target: 'job', target_id: job_id, reason, deadline_ms: CANCEL_GRACE_MS } as const;
  return command(envelope, tongue, 'cancel', payload);
};

const subscribe: Translate<'job.subscribe'> = (envelope, tongue) => {
  const { job_id, from_event_seq, history } = envelope.payload;
  if (!isId('job', job_id)) return refused(envelope, 'there is no such job', 'NOT_FOUND');
  return command(envelope, tongue, 'job.subscribe', { job_id, from_event_seq, history }, { job_id });
};

const unsubscribe: Translate<'job.unsubscribe'> = (envelope, tongue) => {
  const { job_id } = envelope.payload;
  if (!isId('job', job_id)) return { kind: 'ignored' };
  return command(envelope, tongue, 'job.unsubscribe', { job_id });
};

const listJobs: Translate<'session.list_jobs'> = (envelope, tongue) => {
  const { filter, ...page } = envelope.payload;
  if (filter === undefined) return command(envelope, tongue, 'session.list_jobs', page);
  const status = filter.status?.flatMap((word) => (isDraftStatus(word) ? statesOf(word) : [word]));
  return command(envelope, tongue, 'session.list_jobs', { ...page, filter: { ...filter, status } });
};

const draftStatuses: ReadonlySet<string> = new Set(DRAFT_STATUSES);

function isDraftStatus(word: string): word is DraftStatus {
  return draftStatuses.has(word);
}

const close: Translate<'session.close' | 'session.bye'> = (envelope, tongue) => {
  const { reason } = envelope.payload;
  return command(envelope, tongue, 'session.close', { reason, allow_resume: true });
};

const ping: Translate<'session.ping'> = (envelope, tongue) => {
  const { nonce, sent_at = tongue.now } = envelope.payload;
  return command(envelope, tongue, 'session.ping', { nonce, sent_at });
};

const pong: Translate<'session.pong'> = (envelope, tongue) => {
  const { ping_nonce, received_at = tongue.now } = envelope.payload;
  return command(envelope, tongue, 'session.pong', { ping_nonce, received_at });
};

/** (C1) */
const ack: Translate<'session.ack'> = (envelope, tongue) =>
  lacks(tongue, 'ack') ? { kind: 'ignored' } : command(envelope, tongue, 'session.ack', envelope.payload);

const TRANSLATIONS: ReadonlyMap<DraftMessageType, Translate<never>> = new Map<
  DraftMessageType,
  Translate<never>
>([
  ['session.hello', hello],
  ['session.resume', resume],
  ['session.ping', ping],
  ['session.pong', pong],
  ['session.ack', ack],
  ['session.list_jobs', listJobs],
  ['session.close', close],
  ['session.bye', close],
  ['job.submit', submit],
  ['job.cancel', cancel],
  ['job.subscribe', subscribe],
  ['job.unsubscribe', unsubscribe],
]);
