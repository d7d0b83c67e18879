/** Who is told of what, and where (fleet.rs `FleetAlertPolicy`, `FleetAlertChannel`, `FleetAlertEndpoint`). */
import * as z from 'zod';
import { counter, counter32, text } from '../scalars.js';
import { fleetSecretRef, redactedSecretRef } from './secret-ref.js';
import { listOf, listOrNone, maybe, orNull, tagged, word } from './shapes.js';

export const FLEET_ALERT_EVENT_CLASSES = [
  'stale',
  'restart_exhausted',
  'needs_human',
  'budget_exceeded',
  'verifier_failed',
  'run_completed',
] as const;

export type FleetAlertEventClass = (typeof FLEET_ALERT_EVENT_CLASSES)[number];

export const fleetAlertEventClass = word(FLEET_ALERT_EVENT_CLASSES);

/** The names under which each field of an endpoint is read; it is written under the first. */
const NAMES = {
  url: ['url', 'webhook_url', 'endpoint_url'],
  url_ref: ['url_ref', 'webhook_url_ref', 'webhook_ref', 'url_secret_ref'],
  secret_ref: ['secret_ref', 'secret', 'webhook_secret', 'signing_secret'],
} as const;

const url = maybe(text);
const ref = maybe(fleetSecretRef);

const endpointShape = {
  /** In the clear, for endpoints that are no secret. */
  url,
  webhook_url: url,
  endpoint_url: url,
  /** Wins over `url`. */
  url_ref: ref,
  webhook_url_ref: ref,
  webhook_ref: ref,
  url_secret_ref: ref,
  /** The key that signs what is sent. */
  secret_ref: ref,
  secret: ref,
  webhook_secret: ref,
  signing_secret: ref,
};

/** A field under two of its names is refused, as serde refuses it, `null` or not. */
export const fleetAlertEndpoint = z.object(endpointShape).transform((given, ctx) => {
  for (const names of Object.values(NAMES)) {
    const [first, second] = names.filter((name) => Object.hasOwn(given, name));
    if (first === undefined || second === undefined) continue;
    const message = `the same as ${first}, which is given too`;
    ctx.issues.push({ code: 'custom', path: [second], message, input: undefined });
  }
  const first = <Name extends keyof typeof endpointShape>(names: readonly Name[]) =>
    names.map((name) => given[name]).find((value) => value !== undefined);
  return { url: first(NAMES.url), url_ref: first(NAMES.url_ref), secret_ref: first(NAMES.secret_ref) };
});

export type FleetAlertEndpoint = z.output<typeof fleetAlertEndpoint>;

/** The form for logs: which secret holds the URL, or that it is inline. */
export function redactedEndpoint({ url_ref }: FleetAlertEndpoint): string {
  return url_ref === undefined ? '<inline-url>' : redactedSecretRef(url_ref);
}

export const fleetAlertChannel = tagged(
  'kind',
  {
    slack: fleetAlertEndpoint,
    webhook: fleetAlertEndpoint,
    pager_duty: z.object({ routing_key: text, severity: text }),
  },
  { pagerduty: 'pager_duty' },
);

export type FleetAlertChannel = z.output<typeof fleetAlertChannel>;

export const fleetAlertPolicy = z.object({
  /** The classes that are told; absent is all of them. */
  events: listOrNone(fleetAlertEventClass),
  channels: listOf(fleetAlertChannel),
  /** Tell only from this attempt on. */
  after_attempts: orNull(counter32),
  /** Tell of a stale task only when it has been stale that long. */
  after_minutes_stale: orNull(counter),
});

export type FleetAlertPolicy = z.output<typeof fleetAlertPolicy>;
