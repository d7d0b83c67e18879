/**
 * A channel's identity and its redacted form. A routing key or an inline URL can be a secret, so that neither is ever
 * written down by us: a channel is remembered by the digest of what it is.
 */
import { createHash } from 'node:crypto';
import { redactedEndpoint, redactedSecretRef, type FleetAlertChannel } from '../../protocol/fleet/index.js';

/** `webhook-` and the beginning of a digest. */
export function channelId(channel: FleetAlertChannel): string {
  const parts =
    channel.kind === 'pager_duty'
      ? [channel.routing_key, channel.severity]
      : [channel.url ?? null, channel.url_ref ?? null, channel.secret_ref ?? null];
  const digest = createHash('sha256')
    .update(JSON.stringify([channel.kind, ...parts]))
    .digest('hex');
  return `${channel.kind}-${digest.slice(0, 32)}`;
}

/** For people: what kind of channel, and the names of the secrets that it needs. */
export function redactedChannel(channel: FleetAlertChannel): string {
  if (channel.kind === 'pager_duty') return `pager_duty ${channel.severity} <routing-key>`;
  const signed =
    channel.secret_ref === undefined ? '' : ` signed with ${redactedSecretRef(channel.secret_ref)}`;
  return `${channel.kind} ${redactedEndpoint(channel)}${signed}`;
}
