/** What runs now, counted as it comes and goes. */
import type { FleetTaskSpec } from '../../protocol/fleet/index.js';
import { classOf, hostKey, type Candidate, type Load } from './placement.js';

export class Workload implements Load {
  run = 0;
  readonly byWorker = new Map<string, number>();
  readonly byHost = new Map<string, number>();
  readonly byClass = new Map<string, number>();

  add(task: FleetTaskSpec, worker: Candidate): void {
    this.#count(task, worker, 1);
  }

  remove(task: FleetTaskSpec, worker: Candidate): void {
    this.#count(task, worker, -1);
  }

  #count(task: FleetTaskSpec, { spec }: Candidate, change: 1 | -1): void {
    this.run += change;
    bump(this.byWorker, spec.id, change);
    bump(this.byHost, hostKey(spec.host), change);
    bump(this.byClass, classOf(task), change);
  }
}

function bump(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
