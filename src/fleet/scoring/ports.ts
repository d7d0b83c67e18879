/** What scorers use and do not do themselves. */
import type { EvidenceStore } from './evidence.js';
import type { Evaluate } from './evaluate.js';

/** Runs a command where the task's own commands run, under the same bounds. */
export type CommandRunner = (command: CommandRequest) => Promise<CommandOutcome>;

export interface CommandRequest {
  readonly argv: readonly [command: string, ...args: string[]];
  /** Absolute. */
  readonly workspace: string;
  readonly timeoutMs: number;
  /** Of each stream; what is beyond is dropped. */
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
}

export type CommandOutcome =
  | {
      readonly kind: 'exited';
      readonly code: number;
      readonly stdout: Uint8Array;
      readonly stderr: Uint8Array;
    }
  | {
      readonly kind: 'killed';
      readonly signal: string;
      readonly stdout: Uint8Array;
      readonly stderr: Uint8Array;
    }
  | { readonly kind: 'timed_out'; readonly stdout: Uint8Array; readonly stderr: Uint8Array }
  | { readonly kind: 'cannot_start'; readonly reason: string };

/** Asks the agent that verifies; how it answers is its own affair, within `timeoutMs`. */
export type Verifier = (request: VerifierRequest) => Promise<VerifierAnswer>;

export interface VerifierRequest {
  readonly prompt: string;
  readonly workspace: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type VerifierAnswer =
  | {
      readonly kind: 'answered';
      readonly result: 'pass' | 'partial' | 'fail';
      readonly notes: string | undefined;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export interface ScoringPorts {
  readonly evaluate: Evaluate;
  readonly evidence: EvidenceStore;
  /** Absent: commands cannot be started here. */
  readonly run?: CommandRunner;
  /** Absent: the operator has chosen no verifier. */
  readonly verify?: Verifier;
}
