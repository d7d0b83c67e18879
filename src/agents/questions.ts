/** What an agent can ask of people, and what it gets (RFC 0001 §12). */
import type { Json } from './agent.js';

/** A JSON Schema (2020-12) without `$ref`, `pattern` and `patternProperties`. */
export type JsonSchema = boolean | { readonly [keyword: string]: Json | undefined };

export interface QuestionOptions {
  /** How long the question stays open. Default 10 minutes (`questionExpiryMs`). */
  readonly expiresInMs?: number;
  /** Where to ask, in words that clients of yours understand. */
  readonly destination?: Json;
  /**
   * What an agent that is started again knows the question by: asked under the same key it gets the answer that was given,
   * or waits on. Without keys the order of the questions counts.
   */
  readonly key?: string;
}

export interface AskOptions extends QuestionOptions {
  /** What the answer must satisfy; other answers are refused, and the question stays open. Default: anything. */
  readonly schema?: JsonSchema;
  /** The answer when nobody gives one in time. Without it the question fails with DEADLINE_EXCEEDED. */
  readonly default?: Json;
}

export interface Choice {
  readonly id: string;
  readonly label: string;
}

export interface ChooseOptions extends QuestionOptions {
  /** The id that is chosen when nobody chooses in time. */
  readonly default?: string;
}

/** What somebody said who had interrupted the job. */
export interface Guidance {
  /** What they had been asked: the prompt of the `interrupt`. */
  readonly prompt: string;
  readonly value: unknown;
}

/** What an agent asks to be allowed (RFC 0001 §15.4). */
export interface PermissionRequest {
  /** A capability such as `fs.write`, or a name of your own. */
  readonly permission: string;
  /** What it is about: a pattern, as in a lease. */
  readonly resource: string;
  /** What is to be done with it. Default: nothing in particular. */
  readonly operation?: string;
  readonly reason?: string;
  /** For how long; whoever grants it may say otherwise. Default an hour. */
  readonly leaseSeconds?: number;
  readonly expiresInMs?: number;
  readonly key?: string;
}

/** A lease that somebody granted. */
export interface PermissionLease {
  readonly leaseId: string;
  readonly permission: string;
  readonly resource: string;
  readonly operation: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

export type BudgetRequest = Pick<PermissionRequest, 'reason' | 'expiresInMs' | 'key'>;
