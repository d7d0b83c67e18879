/**
 * A job that goes on in another runtime (RFC 0001 §14): it is asked for there, and what happens to it there happens to
 * this one, under its id, with one end.
 *
 * (F1) Nothing goes over, no argument and no artifact, before the other runtime has proven who it is (decision 28).
 * (F2) It may do there what it may do here, for as long as it may here, and spend at most what is left here, which is held
 *      back meanwhile: what it spends there is charged here, and what it did not spend comes back exactly (L4).
 * (F3) It is handed over once: `agent.handoff` in its log says on which terms, and the key under which it was asked for
 *      there finds it again, after a lost session and after a restart of this runtime, once the other one can be reached.
 *      Where it cannot be found, it fails rather than begin anew. What was charged is not charged again, and says by its
 *      `handoff_id` that it was charged there; what was streamed is not streamed again; what was only said may be said
 *      again after a restart.
 * (F4) A cancel here is one there, and so is a revocation of the lease that let it go there. A restart of this runtime is
 *      none, where the job goes on after it.
 * (F5) What it may have spent there unseen counts as spent: where the other runtime no longer keeps what it did there, or it
 *      can be followed no longer, all that is still held back is charged, and that is said.
 *      `account.ts` keeps these accounts.
 * (F6) It is trusted there no further than it is here, what lifts it for a while apart, and comes through a bounded number
 *      of runtimes.
 */
import { pipeline } from 'node:stream/promises';
import type { HandoffOptions, JobContext } from '../../agents/agent.js';
import type { AnyEnvelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import { parseAgentRef } from '../../protocol/agent-ref.js';
import { parseLeaseRequest } from '../../protocol/lease.js';
import { isMessageType, type Payload } from '../../protocol/messages.js';
import { isJsonObject } from '../../protocol/scalars.js';
import { checkName, checkText, jsonText } from '../agent-output.js';
import { JOB_RESTARTED } from '../attempt.js';
import { CREDENTIAL_ROTATED } from '../credentials/credential-table.js';
import type { EngineContext } from '../engine-context.js';
import type { JobRun } from '../job-run.js';
import { TREE_SPENT } from '../tree-account.js';
import { authorized } from '../uncovered-acts.js';
import { HandoffAccount } from './account.js';
import type { HandoffTarget, Line, RemoteJob, RemoteRequest } from './carrier.js';
import { HANDED_OVER, pastHandoff, type HandedOver, type PastHandoff } from './past.js';
import { boundsFor, checkHops, leaseRequestOf, profileFor, targetOf, type HandoffTo } from './terms.js';

/** How often a job is looked for there after its session was lost for good. */
const MAX_LOST_SESSIONS = 3;
/** Events that may wait for the store before the next one is taken. */
const MAX_PENDING = 100;
/** Levels of an envelope around the arguments; those who cannot read `agent.handoff` are told of it in an `event.emit`. */
const LEVELS = 4;

type Told = Payload<'agent.handoff'>;

type Terminal = Extract<AnyEnvelope, { type: 'job.completed' | 'job.failed' | 'job.cancelled' }>;

/** Resolves with the value of the job there. Rejects as it failed, or with why it could not be handed over. */
export function handOver(
  run: JobRun,
  ctx: JobContext,
  context: EngineContext,
  to: HandoffTo,
  agent: string,
  options: HandoffOptions,
): Promise<unknown> {
  return new Handover(run, ctx, context).to(to, agent, options);
}

class Handover {
  readonly #run: JobRun;
  readonly #ctx: JobContext;
  readonly #context: EngineContext;
  /** Aborted where the lease that let it go there is taken back (F4). */
  readonly #revoked = new AbortController();
  readonly #signal: AbortSignal;
  /** Events of the job there that happened here already, in this attempt. */
  #seen = 0;
  #nextChunk = 0;
  #hasLastChunk = false;
  /** The job there, once it is known. */
  #remoteId: string | undefined;
  /** Whether it may be there: it was asked for, and not refused. */
  #isOut = false;

  constructor(run: JobRun, ctx: JobContext, context: EngineContext) {
    this.#run = run;
    this.#ctx = ctx;
    this.#context = context;
    this.#signal = AbortSignal.any([ctx.signal, this.#revoked.signal]);
  }

  async to(to: HandoffTo, agent: string, options: HandoffOptions): Promise<unknown> {
    const { job } = this.#run;
    const { carrier, limits, store } = this.#context;
    const target = targetOf(carrier, to);
    checkText('agent to hand over to', agent);
    parseAgentRef(agent);
    const { arguments: args = {}, artifact, key = 'handoff', reason } = options;
    checkName('handoff key', key);
    if (reason !== undefined) checkText('handoff reason', reason);
    const plain: unknown = JSON.parse(jsonText(args, limits.maxNesting - LEVELS));
    if (artifact !== undefined && !isJsonObject(plain))
      throw new ArcpError('INVALID_ARGUMENT', 'a context artifact goes with arguments that are an object');
    const handoffHops = (job.origin.hops ?? 0) + 1;
    checkHops(handoffHops, this.#context);
    await authorized(this.#run, this.#context, 'agent.delegate', agent);
    const known = this.#run.attempt.number === 1 ? undefined : await pastHandoff(store, job.id, key);
    if (known !== undefined) this.#takeUp(known);
    const bounds =
      known === undefined
        ? boundsFor(job, { ...options.leaseRequest, ...(options.budget && { cost_budget: options.budget }) })
        : parseLeaseRequest(known.terms.lease_request ?? {});
    const account = new HandoffAccount(this.#run, this.#context, key, bounds.budget, known);
    const authority = this.#watchAuthority(agent);
    let line: Line | undefined;
    let terminal: Terminal | undefined;
    try {
      line = await this.#connect(target, known !== undefined);
      if (known !== undefined) this.#checkFindable(line);
      const told =
        known?.terms ??
        (await this.#tell(target, {
          handoff_id: key,
          agent,
          reason,
          lease_request: leaseRequestOf(bounds),
          profile: profileFor(job, this.#context),
          trust_level: job.origin.trust,
          handoff_hops: handoffHops,
          max_runtime_ms: this.#run.runtimeLeftMs,
          shared_memory_ref: artifact === undefined ? undefined : await this.#carry(line, artifact),
        }));
      const request = this.#request(agent, plain, told);
      for (let lost = 0; ; lost += 1) {
        let remote: RemoteJob | undefined;
        try {
          remote = await this.#start(line, request, key);
          terminal = await this.#follow(remote, line, account, known !== undefined || lost > 0);
          if (this.#signal.aborted && terminal.type === 'job.cancelled') throw this.#signal.reason;
          return await this.#end(terminal, line);
        } catch (error) {
          if (terminal !== undefined || !isLoss(error)) throw error;
          if (lost >= MAX_LOST_SESSIONS || this.#signal.aborted || (remote === undefined && isGone(error)))
            throw error;
          this.#checkFindable(line);
          await line.close();
          line = await this.#connect(target, true);
        }
      }
    } catch (error) {
      if (terminal === undefined && this.#isOut && !this.#goesOn)
        account.countRest('it is not known what it did there', this.#remoteId);
      // Why it was stopped says more than what came of that.
      throw this.#signal.aborted ? ArcpError.from(this.#signal.reason) : error;
    } finally {
      authority.end();
      account.settle();
      await line?.close();
    }
  }

  /** (F3) */
  #takeUp({ remoteId, nextChunk }: PastHandoff): void {
    this.#remoteId = remoteId;
    this.#isOut = true;
    this.#nextChunk = nextChunk;
    // What was streamed is compared with nothing: it comes from the same log there.
    if (nextChunk > 0) this.#run.result.replayed();
  }

  /** (F4) Only a lease that was granted to it can be taken back; for what it has by its own nothing happens. */
  #watchAuthority(agent: string): { end(): void } {
    const { job } = this.#run;
    const onEvent = ({ type }: { readonly type: string }): void => {
      if (type !== 'lease.revoked') return;
      try {
        job.origin.authority.check('agent.delegate', agent, this.#context.clock.now());
      } catch (error) {
        if (ArcpError.from(error).code === 'LEASE_REVOKED') this.#revoked.abort(error);
      }
    };
    const observer = { onEvent };
    job.log.observe(observer);
    return {
      end: () => {
        job.log.unobserve(observer);
      },
    };
  }

  /** Whether the job goes on there while this attempt at it ends: another one will find it (F4). */
  get #goesOn(): boolean {
    const { signal } = this.#ctx;
    return signal.aborted && ArcpError.from(signal.reason).code === 'ABORTED' && this.#run.isRestartable;
  }

  /** @param again the job may be going on there already: a runtime that is down for a moment is waited for */
  #connect(target: HandoffTarget, again: boolean): Promise<Line> {
    const { carrier } = this.#context;
    if (carrier === undefined)
      throw new ArcpError('FAILED_PRECONDITION', 'no runtime is configured to hand over to');
    return carrier.connect(target, this.#signal, again);
  }

  /** (F3) */
  #checkFindable({ findsAgain }: Line): void {
    if (findsAgain) return;
    throw new ArcpError(
      'ABORTED',
      'the job cannot be found again in the other runtime: this one has no token for it, and is a stranger there',
    );
  }

  /** (F3) What was asked for already has to be the same job still. */
  async #start(line: Line, request: RemoteRequest, key: string): Promise<RemoteJob> {
    const wasOut = this.#isOut;
    this.#isOut = true;
    let remote: RemoteJob;
    try {
      remote = await line.start(request);
    } catch (error) {
      // Where it was refused, it is not there.
      if (!wasOut && !isLoss(error)) this.#isOut = false;
      throw error;
    }
    if (this.#remoteId === undefined) {
      this.#remoteId = remote.id;
      const data: HandedOver = { handoff_id: key, job_id: remote.id };
      this.#run.say('event.emit', JSON.stringify({ name: HANDED_OVER, data }));
    } else if (remote.id !== this.#remoteId) {
      await remote.cancel('it was begun anew');
      throw new ArcpError('ABORTED', 'the other runtime knows the job no more');
    }
    return remote;
  }

  async #tell(
    { url, kind, fingerprint }: HandoffTarget,
    terms: Omit<Told, 'runtime' | 'to_runtime' | 'job_id'>,
  ): Promise<Told> {
    const runtime = { url, kind, fingerprint };
    const told: Told = { ...terms, runtime, to_runtime: runtime, job_id: this.#run.job.id };
    this.#run.say('agent.handoff', JSON.stringify(told));
    await this.#ctx.flushed();
    return told;
  }

  /** The context artifact, piece by piece, from here to there. */
  async #carry(line: Line, artifact: NonNullable<HandoffOptions['artifact']>): Promise<string> {
    const reader = await this.#ctx.fetchArtifact(artifact);
    return (await line.putArtifact(reader, reader.ref.media_type)).artifact_id;
  }

  #request(agent: string, args: unknown, told: Told): RemoteRequest {
    const { id, origin } = this.#run.job;
    const { shared_memory_ref: shared } = told;
    return {
      agent,
      arguments: shared === undefined ? args : { ...(args as object), shared_memory_ref: shared },
      leaseRequest: told.lease_request ?? {},
      profile: told.profile ?? {},
      maxRuntimeMs: told.max_runtime_ms,
      trustLevel: told.trust_level ?? origin.trust,
      handoffHops: told.handoff_hops ?? 1,
      idempotencyKey: `${id}/${told.handoff_id ?? ''}`,
      traceId: origin.traceId,
      priority: origin.priority,
    };
  }

  /**
   * Has happen here what happens there, up to its end.
   *
   * @param again whether it was asked for before, so that it may have been forgotten there
   */
  async #follow(remote: RemoteJob, line: Line, account: HandoffAccount, again: boolean): Promise<Terminal> {
    const signal = this.#signal;
    const stop = (): void => {
      // (F4)
      void (this.#goesOn ? line.close() : remote.cancel(ArcpError.from(signal.reason).message));
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    let index = 0;
    try {
      for await (const event of remote.events) {
        if (isTerminal(event)) {
          // (F5) Of a job that is forgotten only its end is told.
          if (index < this.#seen || (again && index === 0))
            account.countRest('the other runtime no longer keeps what it did there', this.#remoteId);
          return event;
        }
        if (event.type === 'job.accepted' || event.type === 'workflow.complete') continue;
        index += 1;
        if (index <= this.#seen) continue;
        this.#seen = index;
        try {
          this.#happens(event, account);
        } catch (error) {
          await remote.cancel(ArcpError.from(error).message);
          throw error;
        }
        if (this.#run.job.log.pending > MAX_PENDING) await this.#ctx.flushed();
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
    throw new ArcpError('UNAVAILABLE', 'the other runtime told no end of the job');
  }

  #happens(event: AnyEnvelope, account: HandoffAccount): void {
    if (!this.#run.isLive) {
      if (event.type === 'metric') account.measuredLate(event.payload);
      return;
    }
    this.#run.sawLife();
    switch (event.type) {
      case 'metric':
        account.measured(event.payload);
        break;
      case 'job.result_chunk':
        if (event.payload.chunk_seq < this.#nextChunk) {
          if (!event.payload.more) this.#hasLastChunk = true;
          break;
        }
        this.#nextChunk = event.payload.chunk_seq + 1;
        this.#hasLastChunk = !event.payload.more;
        this.#ctx.resultChunk(event.payload);
        break;
      case 'event.emit':
        // What is told so for want of an opt-in is about its children there; our own notes are ours to make.
        if (isMessageType(event.payload.name) || NOTES.has(event.payload.name)) break;
        this.#run.say(event.type, JSON.stringify(event.payload));
        break;
      case 'job.progress':
      case 'log':
        this.#run.say(event.type, JSON.stringify(event.payload));
        break;
      default:
        // Heartbeats, and what it says of its children there.
        break;
    }
  }

  /** This job ends as that one did. */
  async #end(terminal: Terminal, line: Line): Promise<unknown> {
    switch (terminal.type) {
      case 'job.completed': {
        const { value, summary, result_ref: ref, result_id: streamed } = terminal.payload;
        if (streamed !== undefined && !this.#hasLastChunk)
          throw new ArcpError('DATA_LOSS', 'the other runtime no longer keeps the result of the job');
        if (summary !== undefined) this.#ctx.summarize(summary);
        if (ref !== undefined) {
          const result = this.#ctx.openResult({ as: 'artifact', mediaType: ref.media_type });
          await pipeline(await line.fetchArtifact(ref), result);
        }
        return value;
      }
      case 'job.failed':
        throw ArcpError.fromPayload(terminal.payload);
      case 'job.cancelled': {
        const { reason } = terminal.payload;
        this.#run.stop({ kind: 'cancel', reason });
        throw new ArcpError('CANCELLED', reason ?? 'the job was cancelled in the other runtime');
      }
    }
  }
}

/** What the runtime notes in the log of a job for its own next life, and goes by there (L1, L4). */
const NOTES: ReadonlySet<string> = new Set([TREE_SPENT, JOB_RESTARTED, CREDENTIAL_ROTATED, HANDED_OVER]);

function isTerminal(event: AnyEnvelope): event is Terminal {
  return event.type === 'job.completed' || event.type === 'job.failed' || event.type === 'job.cancelled';
}

/** Whether a job can be looked for again under its key: its session is gone, it may not be. */
function isLoss(error: unknown): boolean {
  return (
    error instanceof ArcpError && ['UNAVAILABLE', 'RESUME_WINDOW_EXPIRED', 'DATA_LOSS'].includes(error.code)
  );
}

/** Whether the other runtime knows that the job ended, and how no more. */
function isGone(error: unknown): boolean {
  return error instanceof ArcpError && error.code === 'DATA_LOSS';
}
