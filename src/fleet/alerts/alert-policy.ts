/** When a policy wants an alert (fleet.rs `FleetAlertPolicy`). Pure. */
import type { FleetAlertPolicy } from '../../protocol/fleet/index.js';
import type { Occurrence } from './alert.js';

export type Readiness =
  | { readonly kind: 'now' }
  /** Not before this instant, and only if it still holds then. */
  | { readonly kind: 'later'; readonly at: number }
  | { readonly kind: 'never'; readonly why: 'class' | 'attempts' };

const MINUTE_MS = 60_000;

/** Whether to tell now. A policy that names no classes wants all of them. */
export function readiness(policy: FleetAlertPolicy, what: Occurrence, now: number): Readiness {
  if (policy.events?.includes(what.class) === false) return { kind: 'never', why: 'class' };
  // What is about the run as a whole has no attempts to wait for.
  if (what.taskId !== undefined && what.attempt < (policy.after_attempts ?? 0)) {
    return { kind: 'never', why: 'attempts' };
  }
  if (what.class === 'stale' && policy.after_minutes_stale !== null) {
    const due = (what.staleSince ?? what.at) + policy.after_minutes_stale * MINUTE_MS;
    if (due > now) return { kind: 'later', at: due };
  }
  return { kind: 'now' };
}
