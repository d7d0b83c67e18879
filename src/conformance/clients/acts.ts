/**
 * What a client does, whatever the dialect it does it in: each of its frames as one act with the fields that cases are
 * about. Cases match acts, never frames (B1).
 */
import { isMap, type JsonMap } from '../scenarios/matcher.js';
import type { DialectName } from '../scenarios/scenario.js';

export interface Act extends JsonMap {
  readonly act: string;
  readonly type: string;
  readonly id: string;
  /** Which of the case's connections, from 1. */
  readonly connection: number;
}

/** The dialect that a first frame opens; nothing for what is no handshake. */
export function dialectOf({ type }: JsonMap): DialectName | undefined {
  if (type === 'session.open') return 'classic';
  if (type === 'session.hello') return 'draft';
  return undefined;
}

const NAMES: ReadonlyMap<string, string> = new Map([
  ['session.open', 'open'],
  ['session.hello', 'open'],
  ['session.resume', 'resume'],
  ['session.close', 'close'],
  ['session.bye', 'close'],
  ['session.ack', 'ack'],
  ['session.list_jobs', 'list'],
  ['ping', 'ping'],
  ['session.ping', 'ping'],
  ['pong', 'pong'],
  ['session.pong', 'pong'],
  ['tool.invoke', 'invoke'],
  ['job.submit', 'invoke'],
  ['cancel', 'cancel'],
  ['job.cancel', 'cancel'],
  ['job.subscribe', 'subscribe'],
]);

export function actOf(frame: JsonMap, connection: number): Act {
  const type = text(frame['type']);
  const payload = isMap(frame['payload']) ? frame['payload'] : {};
  const base = { act: NAMES.get(type) ?? 'other', type, id: text(frame['id']), connection };
  switch (base.act) {
    case 'open': {
      const { resume } = payload;
      return isMap(resume) ? { ...base, act: 'resume', ...resumption(resume) } : base;
    }
    case 'resume':
      return { ...base, ...resumption(payload) };
    case 'invoke': {
      const [agent = ''] = text(payload['tool'] ?? payload['agent']).split('@');
      const key = frame['idempotency_key'] ?? payload['idempotency_key'];
      const shown = { agent, arguments: payload['arguments'] ?? payload['input'] };
      return { ...base, ...shown, ...(key === undefined ? {} : { key }) };
    }
    case 'ack':
      return { ...base, seq: payload['last_processed_seq'] };
    case 'cancel':
      return { ...base, job_id: payload['target_id'] ?? frame['job_id'] };
    case 'ping':
      return { ...base, nonce: payload['nonce'] };
    case 'pong':
      return { ...base, nonce: payload['ping_nonce'] ?? payload['nonce'] };
    default:
      return base;
  }
}

function resumption(payload: JsonMap): JsonMap {
  return { after: payload['last_event_seq'], resume_token: payload['resume_token'] };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
