/** What an alert policy must be so that its alerts can be sent. */
import type { FleetAlertChannel, FleetAlertPolicy } from '../../protocol/fleet/index.js';
import { endpointUrlFault } from '../alerts/endpoint-url.js';
import { PAGER_SEVERITIES } from '../alerts/severities.js';
import { secretRule } from './secret-rules.js';
import { isBlank } from './naming.js';
import type { Problems } from '../../documents/problems.js';

type Path = readonly PropertyKey[];

export function alertRules(policy: FleetAlertPolicy, path: Path, problems: Problems): void {
  for (const [index, channel] of policy.channels.entries()) {
    channelRules(channel, [...path, 'channels', index], problems);
  }
  if (policy.channels.length === 0)
    problems.warning([...path, 'channels'], 'without channels nobody is told');
}

function channelRules(channel: FleetAlertChannel, path: Path, problems: Problems): void {
  if (channel.kind === 'pager_duty') {
    const severities: readonly string[] = PAGER_SEVERITIES;
    if (isBlank(channel.routing_key))
      problems.error([...path, 'routing_key'], 'expected a routing key, not blank');
    if (!severities.includes(channel.severity)) {
      problems.error([...path, 'severity'], `expected one of ${severities.join(', ')}`);
    }
    return;
  }
  const { url, url_ref, secret_ref } = channel;
  if (url === undefined && url_ref === undefined) problems.error(path, 'expected a url or a url_ref');
  const fault = url === undefined ? undefined : endpointUrlFault(url);
  if (fault !== undefined) problems.error([...path, 'url'], fault);
  if (url !== undefined && url_ref !== undefined) {
    problems.warning([...path, 'url'], 'url_ref wins over url');
  }
  if (url_ref !== undefined) secretRule(url_ref, [...path, 'url_ref'], problems);
  if (secret_ref !== undefined) secretRule(secret_ref, [...path, 'secret_ref'], problems);
}
