/**
 * Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA256 over the event's id, the time and the body, so that
 * whoever receives it can tell that it is ours, whole, recent and not seen before.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface SignedHeaders {
  readonly 'webhook-id': string;
  /** Seconds since 1970. */
  readonly 'webhook-timestamp': string;
  /** `v1,` and the signature in base64. */
  readonly 'webhook-signature': string;
}

export function signed(secret: string, id: string, seconds: number, body: string): SignedHeaders {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${signature(secret, id, seconds, body)}`,
  };
}

/** How old a signature may be, and how far ahead a clock: seconds. */
const TOLERANCE_S = 300;

/** For receivers: whether the headers sign this body, and not too long ago. Seen ids are for the receiver to remember. */
export function verifySignature(
  secret: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: string,
  nowSeconds: number,
): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': given } = headers;
  if (typeof id !== 'string' || typeof time !== 'string' || typeof given !== 'string') return false;
  if (!/^\d{1,12}$/.test(time) || Math.abs(nowSeconds - Number(time)) > TOLERANCE_S) return false;
  const expected = Buffer.from(signature(secret, id, Number(time), body));
  // Several may be given, while keys are changed.
  return given
    .split(' ')
    .filter((one) => one.startsWith('v1,'))
    .map((one) => Buffer.from(one.slice('v1,'.length)))
    .some((one) => one.length === expected.length && timingSafeEqual(one, expected));
}

function signature(secret: string, id: string, seconds: number, body: string): string {
  return createHmac('sha256', keyOf(secret)).update(`${id}.${seconds}.${body}`).digest('base64');
}

/** `whsec_` and base64, as keys of Standard Webhooks are written; any other text is the key itself. */
function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_')
    ? Buffer.from(secret.slice('whsec_'.length), 'base64')
    : Buffer.from(secret);
}
