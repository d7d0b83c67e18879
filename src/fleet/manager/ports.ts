/** What the manager of runs needs of whoever hosts it. */
import type { Clock } from '../../clock.js';
import type { ObservedEvent } from '../../runtime/observe-job.js';
import type { Store } from '../../store/store.js';
import type { Alerts } from '../alerts/alerts.js';
import type { Evaluate } from '../scoring/evaluate.js';
import type { EvidenceStore } from '../scoring/evidence.js';
import type { LiveRuns } from './live-runs.js';
import type { WorkerPool } from './worker-pool.js';

export interface FleetPorts {
  readonly clock: Clock;
  /** Gives numbers in [0, 1). */
  readonly random: () => number;
  /** The one of the runtime: the ledger of a run is in its job's log there. */
  readonly store: Pick<Store, 'read' | 'append' | 'documents'>;
  /** See `Runtime.observe`. */
  readonly observe: (jobId: string, told: (event: ObservedEvent) => void) => () => void;
  /** Where tasks have folders of their own; absolute. */
  readonly folder: string;
  /** What relative workspaces are meant from; absolute. */
  readonly base: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly evaluate: Evaluate;
  readonly evidence: EvidenceStore;
  readonly alerts: Alerts;
  readonly pool: WorkerPool;
  readonly live: LiveRuns;
}
