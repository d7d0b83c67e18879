/**
 * The credentials of jobs (arcp-core `Credential`, draft-1.1 §9.8): issued before `job.accepted`, known to whoever asked
 * for the job and to nobody else, revoked when the job has ended.
 *
 * (X1) A credential is in the ledger before it is asked for and until it is revoked, so that none outlives its job
 *      however the process ends. The ledger has ids only.
 * (X2) Its value is kept in memory and nowhere else: no event, listing, trace or error has it. It is put into
 *      `job.accepted` on the way to the session that asked, each time that this is sent there.
 * (X3) A job that goes on after a restart gets a fresh value under the same id, since nobody knows the old one.
 * (X4) Revoking is tried again, further and further apart, until it has worked.
 * (X5) An occurrence of a schedule has one where somebody can take it: while the session that scheduled it is there or
 *      can be resumed. Without, it is no less a job: it begins, and nothing is issued that nobody could know.
 */
import type { Clock, Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import { formatAmount } from '../../protocol/cost-budget.js';
import type { JobId } from '../../protocol/ids.js';
import type { LeaseBounds } from '../../protocol/lease.js';
import type { Payload } from '../../protocol/messages.js';
import type { Store, StoredRecord } from '../../store/store.js';
import type { NewId } from '../ids.js';
import type { Job } from '../job.js';
import type { Journal } from '../journal.js';
import type { Limits } from '../limits.js';
import type { Logger } from '../logger.js';
import type { CredentialConstraints, CredentialId, CredentialProvisioner } from './provisioner.js';

export interface CredentialContext {
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly newId: NewId;
}

type Credential = NonNullable<Payload<'job.accepted'>['credentials']>[number];

interface Held {
  readonly id: CredentialId;
  readonly sessionId: string;
  readonly credential: Credential;
}

/** The event that says that a job has a fresh credential; its `data` names it. */
export const CREDENTIAL_ROTATED = 'credential_rotated';

const LEDGER = 'credential/';

export class CredentialTable {
  readonly #context: CredentialContext;
  readonly #provisioner: CredentialProvisioner | undefined;
  readonly #held = new Map<string, Held>();
  readonly #retries = new Set<Timer>();
  #issuing = 0;
  #closed = false;

  constructor(context: CredentialContext, provisioner: CredentialProvisioner | undefined) {
    this.#context = context;
    this.#provisioner = provisioner;
  }

  /** Whether there is anything to issue at all. */
  get isConfigured(): boolean {
    return this.#provisioner !== undefined;
  }

  /**
   * Has a credential issued for a job that has no event yet.
   * @throws ArcpError RESOURCE_EXHAUSTED when too many are being issued, UNAVAILABLE when it is not issued.
   */
  async issueFor(job: Job): Promise<void> {
    const { maxCredentialsInFlight } = this.#context.limits;
    if (this.#issuing >= maxCredentialsInFlight)
      throw new ArcpError('RESOURCE_EXHAUSTED', `${this.#issuing} credentials are being issued already`);
    const id = this.#context.newId('credential');
    this.#issuing += 1;
    try {
      await this.#enter(id, job.id);
      await this.#issue(id, job);
    } catch (error) {
      this.#logFailure('a credential cannot be issued', id, error);
      void this.#revoke(id, 1);
      throw new ArcpError('UNAVAILABLE', 'the credential of the job could not be issued');
    } finally {
      this.#issuing -= 1;
    }
  }

  /** The job has ended: what it was given is good for nothing from now on. */
  jobEnded(jobId: string): void {
    const held = this.#held.get(jobId);
    if (held === undefined) return;
    this.#held.delete(jobId);
    void this.#revoke(held.id, 1);
  }

  /** The record as this session may see it (X2). */
  disclose(record: StoredRecord, sessionId: string): StoredRecord {
    if (this.#held.size === 0 || (record.type !== 'job.accepted' && record.type !== 'event.emit'))
      return record;
    const { job_id: jobId = '', payload } = JSON.parse(`{${record.body}`) as {
      readonly job_id?: string;
      readonly payload: { readonly name?: string };
    };
    const held = this.#held.get(jobId);
    if (held?.sessionId !== sessionId) return record;
    if (record.type === 'event.emit' && payload.name !== CREDENTIAL_ROTATED) return record;
    return { ...record, body: withMember(record.body, 'credentials', [held.credential]) };
  }

  /** Takes up the ledger of an earlier life: what belongs to a job that goes on is made anew, the rest revoked (X1, X3). */
  async recover(running: ReadonlyMap<JobId, { readonly job: Job }>): Promise<void> {
    const provided = new Set<Job>();
    for (const { key, text } of await this.#context.store.documents(LEDGER)) {
      const id = key.slice(LEDGER.length) as CredentialId;
      const { jobId } = JSON.parse(text) as { readonly jobId: JobId };
      const job = running.get(jobId)?.job;
      // An occurrence that is tried again has its id again, and what was left of its first try is not revoked yet.
      if (job === undefined || provided.has(job) || this.#provisioner === undefined) void this.#revoke(id, 1);
      else {
        provided.add(job);
        void this.#rotate(id, job);
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#retries) timer.cancel();
    this.#retries.clear();
    this.#held.clear();
  }

  async #rotate(id: CredentialId, job: Job): Promise<void> {
    try {
      await this.#issue(id, job);
    } catch (error) {
      this.#logFailure('a credential cannot be made anew', id, error);
      void this.#revoke(id, 1);
      return;
    }
    if (job.isOver) this.jobEnded(job.id);
    else job.emit('event.emit', { name: CREDENTIAL_ROTATED, data: { id } });
  }

  async #issue(id: CredentialId, job: Job): Promise<void> {
    const provisioner = this.#provisioner;
    if (provisioner === undefined) return;
    const { principal, agent, sessionId, bounds } = job.origin;
    const constraints = constraintsOf(job, bounds, this.#context.clock.now());
    const issued = await this.#inTime((signal) =>
      provisioner.issue({ id, jobId: job.id, agent, principal, constraints }, signal),
    );
    const credential: Credential = { ...issued, id, constraints: described(constraints) };
    this.#held.set(job.id, { id, sessionId, credential });
  }

  async #revoke(id: CredentialId, attempt: number): Promise<void> {
    const provisioner = this.#provisioner;
    if (this.#closed) return;
    if (provisioner === undefined) {
      this.#context.logger.error(
        { credential: id },
        'no provisioner is configured to revoke a credential with',
      );
      return;
    }
    try {
      await this.#inTime((signal) => provisioner.revoke(id, signal));
      await this.#strike(id);
    } catch (error) {
      this.#logFailure('a credential cannot be revoked', id, error);
      this.#later(id, attempt);
    }
  }

  /** (X4) */
  #later(id: CredentialId, attempt: number): void {
    if (this.#closed) return;
    const { clock, limits } = this.#context;
    const { credentialRetryMs, maxCredentialRetryMs } = limits;
    const wait = Math.min(maxCredentialRetryMs, credentialRetryMs * 2 ** (attempt - 1));
    const timer = clock.timer(wait, () => {
      this.#retries.delete(timer);
      void this.#revoke(id, attempt + 1);
    });
    this.#retries.add(timer);
  }

  /** (X1) */
  #enter(id: CredentialId, jobId: string): Promise<void> {
    return this.#put(id, 1, JSON.stringify({ jobId }));
  }

  #strike(id: CredentialId): Promise<void> {
    return this.#put(id, 2, undefined);
  }

  #put(id: CredentialId, revision: number, text: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#context.journal.append({
        kind: 'document',
        key: `${LEDGER}${id}`,
        revision,
        text,
        settled: (error) => {
          if (error === undefined) resolve();
          else reject(ArcpError.from(error));
        },
      });
    });
  }

  /** Whoever issues may take `credentialTimeoutMs`. */
  async #inTime<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, limits } = this.#context;
    const { credentialTimeoutMs } = limits;
    const late = new AbortController();
    let timer: Timer | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      timer = clock.timer(credentialTimeoutMs, () => {
        const error = new ArcpError('DEADLINE_EXCEEDED', `no answer within ${credentialTimeoutMs} ms`);
        late.abort(error);
        reject(error);
      });
    });
    try {
      return await Promise.race([act(late.signal), tooLate]);
    } finally {
      timer?.cancel();
    }
  }

  #logFailure(what: string, id: CredentialId, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#context.logger.error({ credential: id, reason }, what);
  }
}

function constraintsOf(
  job: Job,
  { capabilities, expiresAt }: LeaseBounds,
  now: number,
): CredentialConstraints {
  const models = capabilities?.get('model.use');
  const budget = job.origin.budget.remainders();
  return {
    ...(budget.size === 0 ? {} : { budget }),
    ...(models === undefined ? {} : { models }),
    ...(expiresAt === undefined ? {} : { expiresAt, lifetimeMs: expiresAt - now }),
  };
}

/** In the words of a lease. */
function described({ budget, models, expiresAt }: CredentialConstraints): Record<string, unknown> {
  return {
    ...(budget === undefined
      ? {}
      : { 'cost.budget': [...budget].map(([currency, amount]) => `${currency}:${formatAmount(amount)}`) }),
    ...(models === undefined ? {} : { 'model.use': models }),
    ...(expiresAt === undefined ? {} : { expires_at: new Date(expiresAt).toISOString() }),
  };
}

/** An event's text with one more member in its payload, which is never empty. */
function withMember(body: string, name: string, value: unknown): string {
  return `${body.slice(0, -2)},"${name}":${JSON.stringify(value)}}}`;
}
