/** When a task is tried again (fleet.rs `FleetRetryPolicy`). */
import type { FleetRetryPolicy } from '../../protocol/fleet/index.js';

/** Whether another attempt is allowed after `attempts` of them. The first always is. */
export function mayRetry(policy: FleetRetryPolicy, attempts: number): boolean {
  return attempts < Math.max(1, policy.max_attempts);
}

/**
 * Milliseconds to wait before the attempt that follows `attempts` of them: the policy's exponential delay, and of that
 * between half and all, so that tasks that failed together do not come back together.
 * @param random gives numbers in [0, 1)
 */
export function retryDelay(policy: FleetRetryPolicy, attempts: number, random: () => number): number {
  const ceiling = backoffCeiling(policy, attempts);
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}

/** Milliseconds: the first backoff, times the multiplier for each further attempt, up to the bound. */
export function backoffCeiling(policy: FleetRetryPolicy, attempts: number): number {
  const { initial_backoff_seconds: initial, max_backoff_seconds: most, backoff_multiplier: factor } = policy;
  if (initial === 0) return 0;
  return Math.min(most, initial * factor ** Math.max(0, attempts - 1)) * 1_000;
}
