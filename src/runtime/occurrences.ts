/**
 * When a schedule fires (RFC 0001 §10.6): once at an instant, or by a rule.
 * What was missed while nobody was there to fire it is caught up once, by its latest occurrence.
 */
import { ArcpError } from '../protocol/errors.js';
import type { Payload } from '../protocol/messages.js';
import { parseTimestamp } from '../protocol/timestamp.js';
import type { Limits } from './limits.js';
import { Recurrence } from './recurrence.js';

type When = Payload<'job.schedule'>['when'];

/** Kept with the schedule: the rule's text, or nothing for one that fires once. */
export type Rule = Recurrence | undefined;

/** Occurrences whose distances are checked before a rule is taken. */
const SAMPLE = 32;

/** When it fires first. Throws INVALID_ARGUMENT, or RESOURCE_EXHAUSTED for what fires too often. */
export function firstOccurrence(when: When, now: number, limits: Limits): { next: number; rule: Rule } {
  const rule = when.every === undefined ? undefined : Recurrence.parse(when.every, now);
  const next = rule === undefined ? instantOf(when, now) : rule.after(now - 1);
  if (next === undefined) throw new ArcpError('INVALID_ARGUMENT', 'when.every: the rule never fires');
  if (next < now) throw new ArcpError('INVALID_ARGUMENT', 'when.at: that is in the past');
  if (next - now > limits.scheduleHorizonMs) {
    const message = `when: it would fire more than ${limits.scheduleHorizonMs} ms from now`;
    throw new ArcpError('INVALID_ARGUMENT', message);
  }
  if (rule !== undefined) refuseHaste(rule, next, limits.minScheduleIntervalMs);
  return { next, rule };
}

function instantOf({ at, after }: When, now: number): number | undefined {
  if (after !== undefined) return Math.round(now + 1_000 * after);
  return at === undefined ? undefined : parseTimestamp(at);
}

function refuseHaste(rule: Recurrence, first: number, minIntervalMs: number): void {
  for (let at = first, looked = 0; looked < SAMPLE; looked += 1) {
    const next = rule.after(at);
    if (next === undefined) return;
    if (next - at < minIntervalMs) {
      const message = `when.every: it fires within ${next - at} ms, and ${minIntervalMs} are the least`;
      throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
    }
    at = next;
  }
}

/** The occurrence to fire now, for all that were due. */
export function dueOccurrence(rule: Rule, due: number, now: number): number {
  const following = rule?.after(due);
  if (following === undefined || following > now) return due;
  return Math.max(due, rule?.upTo(now) ?? due);
}

/** The one after it, which is never nearer than a schedule may fire; nothing when that was the last. */
export function nextOccurrence(
  rule: Rule,
  occurrence: number,
  { minScheduleIntervalMs }: Limits,
): number | undefined {
  return rule?.after(occurrence + minScheduleIntervalMs - 1);
}
