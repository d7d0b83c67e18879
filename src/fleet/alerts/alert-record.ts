/** What the store keeps of an alert on its way to one channel. It outlives the delivery, so that it is not told twice. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Alert, Occurrence } from './alert.js';

const alertSchema = z.object({
  id: z.string(),
  class: z.string(),
  run_id: z.string(),
  run_name: z.string(),
  task_id: z.string().optional(),
  worker_id: z.string().optional(),
  attempt: z.number(),
  at: z.string(),
  summary: z.string(),
}) as unknown as z.ZodType<Alert>;

const recordSchema = z.object({
  alert: alertSchema,
  /** Which channel, by `channelId`: what it is stands in the run's spec. */
  channel: z.string(),
  /** So far. */
  attempts: z.number(),
  state: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('waiting'), /** Milliseconds since 1970. */ due: z.number() }),
    z.object({ kind: z.literal('delivered'), at: z.number() }),
    z.object({ kind: z.literal('given_up'), at: z.number(), why: z.string() }),
  ]),
});

export type AlertRecord = z.output<typeof recordSchema>;

export const ALERT_PREFIX = 'fleet/alerts/';

/** All of a run's alerts begin so. */
export function runPrefix(runId: string): string {
  return `${ALERT_PREFIX}${encodeURIComponent(runId)}/`;
}

/** One document for each (run, task, attempt, class, channel): what is there has been told, or will be. */
export function alertKey(what: Occurrence, channel: string): string {
  return `${runPrefix(what.runId)}${alertId(what, channel)}`;
}

/** The same in every life of the manager. */
export function alertId({ runId, taskId, attempt, class: kind }: Occurrence, channel: string): string {
  const whole = JSON.stringify([runId, taskId ?? null, attempt, kind, channel]);
  return `alert_${createHash('sha256').update(whole).digest('base64url').slice(0, 32)}`;
}

/** A record as it was stored; `undefined` where it cannot be understood. */
export function readRecord(text: string): AlertRecord | undefined {
  try {
    const read = recordSchema.safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}
