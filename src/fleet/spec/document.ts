/**
 * What a task-spec file can be: a document with tasks, a bare list of tasks, or one bare task. (The one program that
 * reads such files takes a bare task for no tasks.)
 */
import * as z from 'zod';
import { fleetAlertPolicy } from '../../protocol/fleet/alert.js';
import { labels, maybe } from '../../protocol/fleet/shapes.js';
import { fleetSecurityPolicy } from '../../protocol/fleet/trust.js';
import type {
  FleetAlertPolicy,
  FleetSecurityPolicy,
  FleetTaskSpec,
  FleetWorkerSpec,
} from '../../protocol/fleet/index.js';
import { isJsonObject, text, type JsonObject } from '../../protocol/scalars.js';

/** A task-spec file that was read and is without error. */
export interface FleetSpec {
  /** The file's stem, where the file gives none. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly security_policy?: FleetSecurityPolicy | undefined;
  /** For tasks that have none of their own. */
  readonly alert_policy?: FleetAlertPolicy | undefined;
  readonly tasks: readonly FleetTaskSpec[];
  readonly workers: readonly FleetWorkerSpec[];
}

/** A part of the file and its path. */
export interface Part {
  readonly path: readonly PropertyKey[];
  readonly value: unknown;
}

/** A file in its parts, each to be read by itself, so that a mistake in one hides none in another. */
export interface Division {
  /** What a document says beside its tasks and workers. */
  readonly head: Part | undefined;
  readonly tasks: Part;
  /** One part each. */
  readonly eachTask: readonly Part[];
  readonly workers: Part | undefined;
  readonly eachWorker: readonly Part[];
}

export const documentHead = z.object({
  name: maybe(text),
  labels,
  security_policy: maybe(fleetSecurityPolicy),
  alert_policy: maybe(fleetAlertPolicy),
  tasks: z.unknown().optional(),
  workers: z.unknown().optional(),
  worker_specs: z.unknown().optional(),
});

/** Divides a file; `undefined` where it is none of the three. */
export function divide(root: unknown): Division | undefined {
  if (Array.isArray(root)) return ofTasks({ path: [], value: root }, undefined);
  if (!isJsonObject(root)) return undefined;
  if (!isDocument(root)) {
    const task = { path: [], value: root };
    return { head: undefined, tasks: task, eachTask: [task], workers: undefined, eachWorker: [] };
  }
  return ofTasks({ path: ['tasks'], value: root['tasks'] }, root);
}

function isDocument(root: JsonObject): boolean {
  const has = (key: string): boolean => Object.hasOwn(root, key);
  return has('tasks') || has('workers') || has('worker_specs') || !(has('id') || has('instructions'));
}

function ofTasks(tasks: Part, document: JsonObject | undefined): Division {
  const workers = document === undefined ? undefined : workersOf(document);
  return {
    head: document === undefined ? undefined : { path: [], value: document },
    tasks,
    eachTask: each(tasks),
    workers,
    eachWorker: workers === undefined ? [] : each(workers),
  };
}

function workersOf(document: JsonObject): Part | undefined {
  const key = ['workers', 'worker_specs'].find((name) => Object.hasOwn(document, name));
  return key === undefined ? undefined : { path: [key], value: document[key] };
}

function each({ path, value }: Part): Part[] {
  return Array.isArray(value)
    ? value.map((item: unknown, index) => ({ path: [...path, index], value: item }))
    : [];
}
