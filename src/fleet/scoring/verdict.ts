/** What a scorer says of a task's work. */
import type {
  FleetArtifactRef,
  FleetScore,
  FleetTaskFailureKind,
  FleetTaskResult,
} from '../../protocol/fleet/index.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';

export interface Verdict {
  readonly result: Extract<FleetTaskResult, 'pass' | 'partial' | 'fail'>;
  readonly failureKind: FleetTaskFailureKind | undefined;
  readonly score: FleetScore;
  readonly evidence: readonly FleetArtifactRef[];
  /** Whom it waits for; the verdict is no last word then. */
  readonly pending: 'person' | 'verifier' | undefined;
}

const VALUES = { pass: 1, partial: 0.5, fail: 0 } as const;

function verdict(
  result: Verdict['result'],
  failureKind: FleetTaskFailureKind | undefined,
  notes: string | undefined,
  evidence: readonly FleetArtifactRef[],
  pending?: Verdict['pending'],
): Verdict {
  const score = { value: VALUES[result], max: 1, ...(notes === undefined ? {} : { notes: bounded(notes) }) };
  return { result, failureKind, score, evidence, pending };
}

export function pass(evidence: readonly FleetArtifactRef[] = [], notes?: string): Verdict {
  return verdict('pass', undefined, notes, evidence);
}

export function fail(
  kind: FleetTaskFailureKind,
  notes: string,
  evidence: readonly FleetArtifactRef[] = [],
): Verdict {
  return verdict('fail', kind, notes, evidence);
}

/** Half a score, until a person or a verifier says more. */
export function undecided(pending: 'person' | 'verifier', notes: string): Verdict {
  return verdict('partial', 'verifier', notes, [], pending);
}

/** Half a score, and the last word. */
export function partly(notes: string | undefined, evidence: readonly FleetArtifactRef[] = []): Verdict {
  return verdict('partial', undefined, notes, evidence);
}

function bounded(notes: string): string {
  const { maxNotesLength } = DEFAULT_FLEET_LIMITS;
  return notes.length <= maxNotesLength ? notes : `${notes.slice(0, maxNotesLength).toWellFormed()}…`;
}
