/** Whether a secret reference can be resolved at all. */
import type { FleetSecretRef } from '../../protocol/fleet/index.js';
import { SECRET_SOURCES, secretKeyFault } from '../secrets/sources.js';
import type { Problems } from '../../documents/problems.js';

export function secretRule(ref: FleetSecretRef, path: readonly PropertyKey[], problems: Problems): void {
  const sources: readonly string[] = SECRET_SOURCES;
  if (ref.source !== undefined && !sources.includes(ref.source)) {
    problems.error([...path, 'source'], `expected one of ${sources.join(', ')}`);
  }
  const fault = secretKeyFault(ref);
  if (fault !== undefined) problems.error([...path, 'key'], fault);
}
