/** Where credentials for jobs come from: a port, of which `provisioners/` has a real one. */
import type { Budget } from '../../protocol/cost-budget.js';
import type { Id } from '../../protocol/ids.js';

export type CredentialId = Id<'credential'>;

/** What a credential is wanted for, and what its holder may do with it at most. */
export interface CredentialRequest {
  /** Ours, and unique: what it is revoked by, also when the answer was lost. */
  readonly id: CredentialId;
  readonly jobId: string;
  /** The resolved `name@version`. */
  readonly agent: string;
  readonly principal: string;
  readonly constraints: CredentialConstraints;
}

/** The bounds of the job's lease; what is absent is not bounded. */
export interface CredentialConstraints {
  readonly budget?: Budget;
  /** Patterns of model names, as the lease has them. */
  readonly models?: readonly string[];
  /** When the lease ends, in milliseconds since the epoch, and how long that is from now. */
  readonly expiresAt?: number;
  readonly lifetimeMs?: number;
}

/** A credential that was issued. `value` is the secret. */
export interface IssuedCredential {
  readonly scheme: 'bearer';
  readonly value: string;
  /** Where it is good. */
  readonly endpoint: string;
  readonly profile?: string;
}

/**
 * Issues one credential a job, bounded as its lease is. Both methods may be called again for the same id: a second
 * `issue` replaces what the first gave, and to revoke what is not there is no error. What they throw is told to nobody
 * but the log, and must hold no secret.
 */
export interface CredentialProvisioner {
  issue(request: CredentialRequest, signal: AbortSignal): Promise<IssuedCredential>;
  revoke(id: CredentialId, signal: AbortSignal): Promise<void>;
}
