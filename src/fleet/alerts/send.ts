/** What each kind of channel is sent, and where to. Secrets are resolved here, at the last moment. */
import type { FleetAlertChannel, FleetSecretRef } from '../../protocol/fleet/index.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Secret } from '../secrets/secret.js';
import type { Alert } from './alert.js';
import { post, type Delivery, type PostOptions } from './post.js';
import { signed } from './signature.js';

/** Events API v2. */
const PAGER_URL = 'https://events.pagerduty.com/v2/enqueue';

export interface SendOptions extends PostOptions {
  readonly resolveSecret: (ref: FleetSecretRef) => Promise<Secret>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Where PagerDuty's events go. Default: its own. */
  readonly pagerUrl?: string | undefined;
}

/** Never throws. */
export async function sendAlert(
  alert: Alert,
  channel: FleetAlertChannel,
  options: SendOptions,
): Promise<Delivery> {
  try {
    const { url, body, secret } = await requestOf(alert, channel, options);
    const seconds = Math.floor(options.now() / 1_000);
    const headers =
      secret === undefined ? { 'webhook-id': alert.id } : signed(secret.reveal(), alert.id, seconds, body);
    return await post(url, body, { ...headers }, options);
  } catch (error) {
    // A secret that is not there now may be there later.
    return { kind: 'failed', why: error instanceof ArcpError ? error.message : 'it could not be made' };
  }
}

interface AlertRequest {
  readonly url: string;
  readonly body: string;
  readonly secret: Secret | undefined;
}

async function requestOf(
  alert: Alert,
  channel: FleetAlertChannel,
  { resolveSecret, pagerUrl = PAGER_URL }: SendOptions,
): Promise<AlertRequest> {
  const body = JSON.stringify(alertBody(alert, channel));
  if (channel.kind === 'pager_duty') return { url: pagerUrl, body, secret: undefined };
  const { url, url_ref, secret_ref } = channel;
  // `url_ref` wins (fleet.rs `FleetAlertEndpoint`).
  const target = url_ref === undefined ? url : (await resolveSecret(url_ref)).reveal();
  const secret = secret_ref === undefined ? undefined : await resolveSecret(secret_ref);
  return { url: target ?? '', body, secret };
}

/** The routing key is in the body of a pager's event: never show what this gives; see `shownBody`. */
export function alertBody(alert: Alert, channel: FleetAlertChannel): Readonly<Record<string, unknown>> {
  switch (channel.kind) {
    case 'slack':
      return { text: slackText(alert) };
    case 'webhook':
      return { type: 'fleet.alert', ...alert };
    case 'pager_duty':
      return {
        routing_key: channel.routing_key,
        event_action: 'trigger',
        dedup_key: alert.id,
        payload: {
          summary: alert.summary,
          source: `fleet:${alert.run_id}`,
          severity: channel.severity,
          timestamp: alert.at,
          component: alert.task_id,
          class: alert.class,
          custom_details: { worker_id: alert.worker_id, attempt: alert.attempt },
        },
      };
  }
}

/** The body with what is secret in it replaced. */
export function shownBody(alert: Alert, channel: FleetAlertChannel): Readonly<Record<string, unknown>> {
  const body = alertBody(alert, channel);
  return channel.kind === 'pager_duty' ? { ...body, routing_key: '<routing-key>' } : body;
}

/** `&`, `<` and `>` have a meaning in Slack's text: an author's words must not notify everybody. */
function slackText({ class: kind, summary }: Alert): string {
  return `*${kind}* ${summary.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}`;
}
