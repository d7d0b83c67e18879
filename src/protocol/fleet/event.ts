/**
 * What a worker tells of a task (fleet.rs `FleetWorkerEvent`). On the wire the payload lies flat beside the envelope's
 * fields, told apart by `state`; `extra` is a field of its own.
 */
import * as z from 'zod';
import { bool, counter, counter32, decimal, text } from '../scalars.js';
import { fleetArtifactRef } from './artifact.js';
import { bare, freeMap, integer, maybe, otherwise, tagged } from './shapes.js';

/** The states, each with what goes with it. */
const variants = {
  queued: bare,
  leased: z.object({ lease_expires_at: maybe(text) }),
  starting: bare,
  running: bare,
  model_wait: z.object({ model: maybe(text) }),
  running_tool: z.object({ tool: text, call_id: maybe(text) }),
  heartbeat: z.object({ cpu_percent: maybe(decimal), memory_mb: maybe(counter) }),
  artifact: fleetArtifactRef,
  completed: z.object({ exit_code: maybe(integer(-0x8000_0000, 0x7fff_ffff)), summary: maybe(text) }),
  failed: z.object({
    reason: text,
    /** Whether another attempt may go better. */
    recoverable: otherwise(bool, () => false),
  }),
  cancelled: z.object({ cancelled_by: maybe(text) }),
  interrupted: z.object({ signal: maybe(text) }),
  stale: z.object({ last_heartbeat_at: maybe(text) }),
  restarted: z.object({ restart_count: otherwise(counter32, () => 0) }),
  escalated: z.object({ channel: text, alert_id: maybe(text) }),
};

export type FleetWorkerEventState = keyof typeof variants;

export const FLEET_WORKER_EVENT_STATES = Object.keys(variants) as [
  FleetWorkerEventState,
  ...FleetWorkerEventState[],
];

export const fleetWorkerEventPayload = tagged('state', variants);

export type FleetWorkerEventPayload = z.output<typeof fleetWorkerEventPayload>;

const envelope = z.object({
  /** From 1, contiguous within a worker's work on a task of a run. */
  seq: counter,
  run_id: text,
  worker_id: text,
  task_id: text,
  timestamp: text,
});

/** A map that is left out where it is empty. */
const extra = freeMap.transform((map) => (Object.keys(map).length === 0 ? undefined : map)).optional();

/** Both halves are read, so that the faults of both are told. */
export const fleetWorkerEvent = z.custom<unknown>().transform((given, ctx): FleetWorkerEvent => {
  const head = envelope.safeParse(given);
  const tail = z.object({ extra }).safeParse(given);
  const payload =
    head.error?.issues[0]?.path.length === 0 ? undefined : fleetWorkerEventPayload.safeParse(given);
  for (const part of [head, payload, tail]) {
    for (const issue of part?.error?.issues ?? []) ctx.issues.push({ ...issue, input: undefined });
    if (payload === undefined) break;
  }
  if (!head.success || payload?.success !== true || !tail.success) return z.NEVER;
  return { ...head.data, ...payload.data, ...tail.data };
});

export type FleetWorkerEvent = z.output<typeof envelope> &
  FleetWorkerEventPayload & { readonly extra?: Readonly<Record<string, unknown>> | undefined };
