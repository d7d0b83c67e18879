/**
 * The one way in for work: what sessions ask for, and what running agents delegate, becomes jobs here.
 *
 * (K1) A request is answered by the first event of its job, or by a `job.failed` that says why there is none
 *      (decision 2). Nothing is half begun.
 * (K2) The same request under the same idempotency key is the same job, told anew to whoever asks (decision 11).
 * (K3) Whoever watches a job watches its children from their first event on.
 * (K4) A job that delegates under a key gets the child that it started under that key before, in whichever attempt.
 */
import type { ChildJob, DelegateOptions } from '../agents/agent.js';
import { ArcpError } from '../protocol/errors.js';
import type { Payload } from '../protocol/messages.js';
import { ON_PARENT_END } from '../protocol/payloads/execution.js';
import { checkDuration, checkName, checkText, checkWord, jsonText } from './agent-output.js';
import { childJob, refusalText } from './delegation.js';
import type { CredentialTable } from './credentials/credential-table.js';
import { failed } from './ending.js';
import type { EngineContext } from './engine-context.js';
import type { EnvelopeFields, EventObserver } from './event-log.js';
import { requestFingerprint, type ForgottenJob, type IdempotencyKeys } from './idempotency.js';
import { Job } from './job.js';
import type { RememberedKey } from './job-head.js';
import { JobRun } from './job-run.js';
import type { JobTable } from './job-table.js';
import type { Limits } from './limits.js';
import { Outbox } from './outbox.js';
import type { AgentRegistry } from './registry.js';
import type { Session } from './session.js';
import type { SessionLogContext } from './session-log.js';
import type { SessionTable } from './session-table.js';
import { spendAct } from './spending.js';
import { askedFirst } from './uncovered-acts.js';
import {
  childArguments,
  checkDelegation,
  prepareJob,
  type ChildTerms,
  type Prepared,
  type Requester,
  type Submission,
} from './submission.js';

/** A session's request for work. */
export interface JobRequest extends Submission {
  readonly correlationId: string;
  readonly idempotencyKey: string | undefined;
  /** Tells the watchers of its parent that it is delegated; throws when there is no room for that. */
  readonly announces?: () => void;
}

/** What the answer to a refused request takes from it. */
export type RefusedRequest = Pick<JobRequest, 'correlationId'> &
  Partial<Pick<JobRequest, 'agent' | 'idempotencyKey' | 'traceId'>>;

/** What there must be to take work in. */
export interface IntakeContext extends EngineContext, SessionLogContext {
  readonly registry: AgentRegistry;
  readonly jobs: JobTable;
  readonly sessions: SessionTable;
  readonly keys: IdempotencyKeys;
  readonly credentials: CredentialTable;
  /** Whether new work is taken at all: not while the runtime ends. */
  readonly isServing: boolean;
}

/** Those who cannot read `agent.delegate` get it in an `event.emit`, two levels deeper, under two names. */
const DELEGATE_LEVELS = 3;
const DELEGATE_COPIES = 2;

export class Intake {
  readonly #context: IntakeContext;
  /** Jobs that wait for their credential before they are accepted. */
  readonly #provisioning = new Map<Job, Promise<void>>();

  constructor(context: IntakeContext) {
    this.#context = context;
  }

  /** Takes a session's request (K1). */
  submit(session: Session, request: JobRequest): void {
    const { correlationId, idempotencyKey: key } = request;
    const { keys, registry } = this.#context;
    try {
      this.#checkServing();
      const fingerprint = key === undefined ? '' : fingerprintOf(request);
      const known = key === undefined ? undefined : keys.find(session.identity, key, fingerprint);
      const provisioning = known instanceof Job ? this.#provisioning.get(known) : undefined;
      if (provisioning !== undefined) {
        void provisioning.then(() => {
          this.submit(session, request);
        });
        return;
      }
      if (known !== undefined) {
        if (known instanceof Job) this.#repeat(session, known, correlationId, key);
        else void this.#repeatForgotten(session, known, request);
        return;
      }
      const remembered = key === undefined ? undefined : { key, request: fingerprint };
      const prepared = prepareJob(request, session.requester, registry, this.#context, remembered);
      const watchers = request.parent === undefined ? [] : outboxesOf(request.parent);
      const { job } = prepared;
      const begin = (): void => {
        request.announces?.();
        job.log.numbering = session.outbox;
        try {
          this.begin(prepared, [session.outbox, ...watchers]);
        } catch (error) {
          if (request.announces !== undefined)
            request.parent?.emitText('event.emit', refusalText(request.delegateId, request.agent, error));
          throw error;
        }
      };
      if (key !== undefined) keys.remember(session.identity, key, fingerprint, job);
      if (this.#isToBeProvisioned(session, prepared)) this.#provision(session, request, job, begin);
      else {
        try {
          begin();
        } catch (error) {
          this.#forgo(session, request, job, ArcpError.from(error));
        }
      }
    } catch (error) {
      this.refuse(session, request, ArcpError.from(error));
    }
  }

  /** Only who has asked for a lease, and can take a credential, gets one. */
  #isToBeProvisioned({ identity }: Session, { job, agent }: Prepared): boolean {
    const { credentials } = this.#context;
    if (!credentials.isConfigured || job.origin.lease === undefined) return false;
    return identity.capabilities.provisioned_credentials === true && !(agent instanceof ArcpError);
  }

  /** The job is accepted when it has its credential, and refused when it does not get one (K1). */
  #provision(session: Session, request: JobRequest, job: Job, begin: () => void): void {
    const issuing = this.#context.credentials.issueFor(job).then(
      () => {
        this.#provisioning.delete(job);
        try {
          this.#checkServing();
          if (request.parent !== undefined) this.#context.jobs.run(request.parent)?.refuseChildren();
          begin();
        } catch (error) {
          this.#forgo(session, request, job, ArcpError.from(error));
        }
      },
      (error: unknown) => {
        this.#provisioning.delete(job);
        this.#forgo(session, request, job, ArcpError.from(error));
      },
    );
    this.#provisioning.set(job, issuing);
  }

  #forgo(session: Session, request: JobRequest, job: Job, error: ArcpError): void {
    this.#dismiss(job);
    this.refuse(session, request, error);
  }

  /** Nobody has heard of the job yet, and nobody will. */
  #dismiss(job: Job): void {
    job.lost = true;
    job.origin.budget.settle();
    this.#context.credentials.jobEnded(job.id);
  }

  /** The answer to a request that no job came of. */
  refuse(session: Session, request: RefusedRequest, error: ArcpError): void {
    const { agent, correlationId, idempotencyKey, traceId } = request;
    const { code, message } = error;
    this.#context.logger.info({ session: session.id, agent, code, reason: message }, 'job refused');
    const { type, text } = failed(error);
    const fields = { trace_id: traceId, correlation_id: correlationId, idempotency_key: idempotencyKey };
    session.log(this.#context).appendText(type, text, undefined, fields);
  }

  /**
   * Starts what nobody asks for at the moment: an occurrence of a schedule. The session that had asked is told of it, and
   * given the job's credential, if it still is (X5). Rejects when it is refused.
   */
  async start(submission: Submission, requester: Requester): Promise<Job> {
    const { registry, sessions, credentials } = this.#context;
    this.#checkServing();
    const prepared = prepareJob(submission, requester, registry, this.#context);
    const { job } = prepared;
    const asked = sessions.find(requester.sessionId);
    try {
      if (asked !== undefined && this.#isToBeProvisioned(asked, prepared)) {
        await credentials.issueFor(job);
        this.#checkServing();
      }
      const session = sessions.find(requester.sessionId);
      if (session === undefined) credentials.jobEnded(job.id);
      job.log.numbering = session?.outbox;
      this.begin(prepared, session === undefined ? [] : [session.outbox]);
    } catch (error) {
      this.#dismiss(job);
      throw error;
    }
    return job;
  }

  #checkServing(): void {
    if (!this.#context.isServing) throw new ArcpError('UNAVAILABLE', 'the runtime is shutting down');
  }

  /** Starts a child of a running job (decisions 4, 5, 26). Throws when it is refused. */
  async delegate(parent: JobRun, target: string, options: DelegateOptions): Promise<ChildJob> {
    const { jobs, store, journal, registry } = this.#context;
    const { signal } = options;
    const asking = (terms: ChildTerms): Promise<ArcpError | undefined> | undefined =>
      askedFirst(parent, this.#context, () => {
        checkDelegation(parent.job, terms, registry, this.#context);
      });
    const job = await this.#childOf(parent, target, options, asking);
    const cancel = (reason?: string): void => {
      // An attempt that is over has no say any more: the child may be the next one's by now.
      if (parent.isLive) jobs.run(job)?.stop({ kind: 'cancel', reason });
    };
    const child = childJob(job, parent, cancel, store);
    const abort = (): void => {
      child.cancel('the delegation was aborted');
    };
    signal?.addEventListener('abort', abort);
    void child.outcome.then(() => signal?.removeEventListener('abort', abort));
    await journal.flushed();
    if (!job.origin.authority.profile.background) await child.outcome;
    return child;
  }

  /**
   * The child that was started under the same key (K4), or a new one.
   *
   * @param asking has the owner asked for it, where that is to be done first
   */
  async #childOf(
    parent: JobRun,
    target: string,
    options: DelegateOptions,
    asking: (terms: ChildTerms) => Promise<ArcpError | undefined> | undefined,
  ): Promise<Job> {
    const { registry, newId, limits } = this.#context;
    const { job } = parent;
    const { origin } = job;
    parent.refuseChildren();
    const { task = '', arguments: given, budget, profile, signal, key, onParentEnd, maxRuntimeMs } = options;
    const { expiresAt, leaseRequest } = options;
    const context = given === undefined ? options.context : { ...options.context, arguments: given };
    checkText('delegation target', target);
    checkText('delegation task', task);
    if (key !== undefined) checkName('delegation key', key);
    if (onParentEnd !== undefined) checkWord('onParentEnd', onParentEnd, ON_PARENT_END);
    if (maxRuntimeMs !== undefined) checkDuration('maxRuntimeMs', maxRuntimeMs);
    signal?.throwIfAborted();
    const lease = expiresAt === undefined ? leaseRequest : { ...leaseRequest, expires_at: expiresAt };
    const asked: Payload<'agent.delegate'> = {
      target,
      task,
      ...(context === undefined ? {} : { context }),
      ...(budget === undefined ? {} : { cost_budget: [...budget] }),
      ...(lease === undefined ? {} : { lease_request: lease }),
      ...(profile === undefined ? {} : { profile }),
      ...(maxRuntimeMs === undefined ? {} : { max_runtime_ms: maxRuntimeMs }),
      ...(onParentEnd === undefined ? {} : { on_parent_end: onParentEnd }),
    };
    const plain = JSON.parse(jsonText(asked, limits.maxNesting - DELEGATE_LEVELS)) as typeof asked;
    const delegation = key === undefined ? undefined : { key, request: requestFingerprint(plain) };
    const find = (): Job | undefined =>
      delegation === undefined ? undefined : startedUnder(delegation, job, limits, options.again !== false);
    const known = find();
    if (known !== undefined) return known;
    const terms = {
      agent: target,
      leaseRequest: plain.lease_request,
      costBudget: budget,
      profile: plain.profile,
    };
    const answer = asking(terms);
    let refused: ArcpError | undefined;
    if (answer !== undefined) {
      refused = await answer;
      // Meanwhile the job may have been stopped, and the child begun by who asked for it too.
      parent.refuseChildren();
      signal?.throwIfAborted();
      const begun = find();
      if (begun !== undefined) return begun;
    }
    const delegateId = newId('delegation');
    const text = JSON.stringify({ ...plain, delegate_id: delegateId });
    const request = parent.say('agent.delegate', text, limits.maxEventBytes / DELEGATE_COPIES);
    let prepared: Prepared;
    try {
      if (refused !== undefined) throw refused;
      prepared = prepareJob(
        {
          ...terms,
          arguments: childArguments(task, plain.context),
          maxRuntimeMs,
          priority: origin.priority,
          traceId: origin.traceId,
          correlationId: undefined,
          causationId: request.id,
          parent: job,
          delegateId,
          delegation,
          onParentEnd,
        },
        origin,
        registry,
        this.#context,
      );
      prepared.job.log.numbering = job.log.numbering;
      this.begin(prepared, outboxesOf(job));
    } catch (error) {
      parent.say('event.emit', refusalText(delegateId, target, error));
      throw error;
    }
    if (key !== undefined) job.delegated.set(key, prepared.job);
    return prepared.job;
  }

  /**
   * Appends the job's first event, of which these are told; it runs once that is committed.
   * Throws BUDGET_EXHAUSTED where its tree may launch no more; there is no job then.
   */
  begin({ job, agent, arguments: args }: Prepared, observers: readonly EventObserver[]): void {
    const { jobs, admission, logger, limits } = this.#context;
    const { origin, log } = job;
    if (origin.parent !== undefined && !(agent instanceof ArcpError)) {
      try {
        spendAct(origin.parent, limits, 'launches');
      } catch (error) {
        origin.budget.settle();
        throw error;
      }
    }
    for (const observer of observers) log.observe(observer);
    logger.debug({ job: job.id, agent: job.agent, principal: origin.principal }, 'job accepted');
    if (agent instanceof ArcpError) {
      job.emit('job.accepted', job.accepted);
      job.end(failed(agent));
      origin.budget.settle();
      job.leave();
      jobs.finished(job);
      logger.info({ job: job.id, agent: job.agent, code: agent.code }, 'job ended');
      return;
    }
    const run = new JobRun(job, agent, args, this.#context);
    jobs.began(run);
    admission.expect(run);
    origin.parent?.children.add(job);
    job.root.liveInTree += 1;
    job.emit('job.accepted', job.accepted);
  }

  /**
   * (K2) A session that has not been told of the job gets its whole story: accepted anew, then what has happened, then
   * what happens. The end of a job that is over is told under the correlation of the repeat.
   */
  #repeat(session: Session, job: Job, correlationId: string, key: string | undefined): void {
    const fields = {
      job_id: job.id,
      trace_id: job.origin.traceId,
      correlation_id: correlationId,
      idempotency_key: key,
    };
    this.#context.logger.info({ session: session.id, job: job.id }, 'job repeated');
    if (!job.isOver) {
      this.#tellAgain(session, job, fields);
      return;
    }
    // Nobody is told of an end before the store has it (L2).
    job.whenEnded((ending) => {
      if (!this.#context.sessions.isOpen(session.id)) return;
      this.#tellAgain(session, job, fields);
      session.log(this.#context).appendText(ending.type, ending.text, undefined, fields);
    });
  }

  /** The job's log is gone, so that its end is all that can be told of it. */
  async #repeatForgotten(session: Session, job: ForgottenJob, request: JobRequest): Promise<void> {
    const { correlationId, idempotencyKey } = request;
    this.#context.logger.info({ session: session.id, job: job.jobId }, 'job repeated');
    const told = await job.told().catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#context.logger.error({ job: job.jobId, reason }, 'cannot read how a job ended');
      return new ArcpError('UNAVAILABLE', 'how the job of this key ended cannot be read at the moment');
    });
    if (!this.#context.sessions.isOpen(session.id)) return;
    if (told === undefined || told instanceof ArcpError) {
      const details = { existing_job_id: job.jobId };
      const message = 'the job of this key has ended, and how is no longer kept';
      this.refuse(
        session,
        request,
        told ?? new ArcpError('DATA_LOSS', message, { retryable: false, details }),
      );
      return;
    }
    const { accepted, traceId, ending } = told;
    const fields = {
      job_id: job.jobId,
      trace_id: traceId,
      correlation_id: correlationId,
      idempotency_key: idempotencyKey,
    };
    const log = session.log(this.#context);
    log.append('job.accepted', accepted, fields);
    if (request.asWorkflow === true && ending.type === 'job.completed')
      log.appendText('workflow.complete', ending.text, undefined, fields);
    log.appendText(ending.type, ending.text, undefined, fields);
  }

  #tellAgain(session: Session, job: Job, fields: EnvelopeFields): void {
    session.log(this.#context).append('job.accepted', job.accepted, fields);
    if (this.#context.jobs.find(job.id) !== undefined) session.watching.jobs.watchRepeated(job);
  }
}

/** What makes two requests the same (decision 11). */
function fingerprintOf(request: JobRequest): string {
  const { agent, arguments: args, leaseRequest, costBudget, maxRuntimeMs, parent, profile, terms } = request;
  const asked = [agent, args, leaseRequest, costBudget, parent?.id, maxRuntimeMs, profile];
  return requestFingerprint(
    ...asked,
    ...(request.asWorkflow === true ? ['workflow'] : []),
    ...(terms === undefined ? [] : [terms]),
    ...(request.trust === undefined ? [] : [request.trust]),
  );
}

/** (K4) Throws DUPLICATE_KEY when the key stands for something else, RESOURCE_EXHAUSTED when there are too many keys. */
function startedUnder(
  { key, request }: RememberedKey,
  parent: Job,
  limits: Limits,
  again: boolean,
): Job | undefined {
  const job = parent.delegated.get(key);
  if (job === undefined) {
    if (parent.delegated.size < limits.maxDelegationKeys) return undefined;
    throw new ArcpError(
      'RESOURCE_EXHAUSTED',
      `a job delegates under ${limits.maxDelegationKeys} keys at most`,
    );
  }
  if (job.origin.delegation?.request !== request) {
    throw new ArcpError('DUPLICATE_KEY', 'the delegation key was used for something else', {
      details: { existing_job_id: job.id },
    });
  }
  // What went wrong can be tried anew.
  const wentWrong = job.state === 'failed' || job.state === 'cancelled';
  return job.lost || (again && wentWrong) ? undefined : job;
}

/** (K3) */
export function outboxesOf(job: Job): EventObserver[] {
  return job.log.observers.filter((observer) => observer instanceof Outbox);
}
