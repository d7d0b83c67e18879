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
 * (F4) A cancel here is one there. A restart of this runtime is none, where the job goes on after it.
 */
import { pipeline } from 'node:stream/promises';
import type { HandoffOptions, JobContext } from '../../agents/agent.js';
import type { Budget } from '../../protocol/cost-budget.js';
import { chargeIn } from '../../protocol/cost-names.js';
import type { AnyEnvelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import { parseLeaseRequest } from '../../protocol/lease.js';
import { isMessageType, type Payload } from '../../protocol/messages.js';
import { checkName, checkText, jsonText } from '../agent-output.js';
import { JOB_RESTARTED } from '../attempt.js';
import { BUDGET_WARNING, COST_REMAINING } from '../cost-metric.js';
import { CREDENTIAL_ROTATED } from '../credentials/credential-table.js';
import type { EngineContext } from '../engine-context.js';
import { JobBudget } from '../job-budget.js';
import { payloadOf, recordsOf } from '../job-history.js';
import type { JobRun } from '../job-run.js';
import { spend } from '../spending.js';
import { TREE_SPENT } from '../tree-account.js';
import type { HandoffTarget, Line, RemoteJob, RemoteRequest } from './carrier.js';
import { boundsFor, leaseRequestOf, targetOf, type HandoffTo } from './terms.js';

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
  /** Events of the job there that happened here already, in this attempt. */
  #seen = 0;
  /** Charges of the job there that were made in an earlier attempt. */
  #charged = 0;
  #nextChunk = 0;
  /** The job there, once it was asked for in this attempt. */
  #remoteId: string | undefined;

  constructor(run: JobRun, ctx: JobContext, context: EngineContext) {
    this.#run = run;
    this.#ctx = ctx;
    this.#context = context;
  }

  async to(to: HandoffTo, agent: string, options: HandoffOptions): Promise<unknown> {
    const { job } = this.#run;
    const { carrier, limits } = this.#context;
    const target = targetOf(carrier, to);
    checkText('agent to hand over to', agent);
    this.#run.authorize('agent.delegate', agent);
    const { arguments: args = {}, artifact, key = 'handoff', reason } = options;
    checkName('handoff key', key);
    if (reason !== undefined) checkText('handoff reason', reason);
    const plain: unknown = JSON.parse(jsonText(args, limits.maxNesting - LEVELS));
    const known = await this.#told(key);
    const bounds =
      known === undefined
        ? boundsFor(job, { ...options.leaseRequest, ...(options.budget && { cost_budget: options.budget }) })
        : parseLeaseRequest(known.lease_request ?? {});
    const held = new JobBudget(this.#holdable(bounds.budget), job.origin.budgetPolicy, job.origin.budget);
    let line: Line | undefined;
    try {
      line = await this.#connect(target, known !== undefined);
      if (known !== undefined) this.#checkFindable(line);
      const told =
        known ??
        (await this.#tell(target, {
          handoff_id: key,
          agent,
          reason,
          lease_request: leaseRequestOf(bounds),
          profile: this.#ctx.profile,
          max_runtime_ms: this.#run.runtimeLeftMs,
          shared_memory_ref: artifact === undefined ? undefined : await this.#carry(line, artifact),
        }));
      const request = this.#request(agent, plain, told);
      for (let lost = 0; ; lost += 1) {
        let terminal: Terminal | undefined;
        try {
          terminal = await this.#follow(await this.#start(line, request), line, key, held);
          return await this.#end(terminal, line);
        } catch (error) {
          if (terminal !== undefined || !isLoss(error)) throw error;
          if (lost >= MAX_LOST_SESSIONS || this.#ctx.signal.aborted) throw error;
          this.#checkFindable(line);
          await line.close();
          line = await this.#connect(target, true);
        }
      }
    } catch (error) {
      // Why it was stopped says more than what came of that.
      throw this.#ctx.signal.aborted ? ArcpError.from(this.#ctx.signal.reason) : error;
    } finally {
      held.settle();
      await line?.close();
    }
  }

  /** What is left of what it may spend there: all of it, but for what an earlier attempt has spent (F3). */
  #holdable(budget: Budget = new Map()): Budget {
    const remainders = this.#run.job.origin.budget.remainders();
    return new Map(
      [...budget].map(([currency, amount]) => {
        const left = remainders.get(currency) ?? amount;
        return [currency, left < amount ? left : amount];
      }),
    );
  }

  /** @param again the job may be going on there already: a runtime that is down for a moment is waited for */
  #connect(target: HandoffTarget, again: boolean): Promise<Line> {
    const { carrier } = this.#context;
    if (carrier === undefined)
      throw new ArcpError('FAILED_PRECONDITION', 'no runtime is configured to hand over to');
    return carrier.connect(target, this.#ctx.signal, again);
  }

  /** (F3) */
  #checkFindable({ findsAgain }: Line): void {
    if (findsAgain) return;
    throw new ArcpError(
      'ABORTED',
      'the job cannot be found again in the other runtime: this one has no token for it, and is a stranger there',
    );
  }

  /** (F3) What was asked for in this attempt already has to be the same job still. */
  async #start(line: Line, request: RemoteRequest): Promise<RemoteJob> {
    const remote = await line.start(request);
    this.#remoteId ??= remote.id;
    if (remote.id !== this.#remoteId) {
      await remote.cancel('it was begun anew');
      throw new ArcpError('ABORTED', 'the other runtime knows the job no more');
    }
    return remote;
  }

  /** (F3) The terms of an earlier attempt, if it had come so far. */
  async #told(key: string): Promise<Told | undefined> {
    const { job, attempt } = this.#run;
    if (attempt.number === 1) return undefined;
    let told: Told | undefined;
    for await (const record of recordsOf(this.#context.store, job.id)) {
      if (record.type === 'agent.handoff') {
        const payload = payloadOf(record) as Told;
        if (payload.handoff_id === key) told = payload;
      } else if (told !== undefined && record.type === 'metric') {
        const metric = payloadOf(record) as Payload<'metric'>;
        if (metric.dims?.['handoff_id'] === key && chargeIn(metric) !== undefined) this.#charged += 1;
      } else if (told !== undefined && record.type === 'job.result_chunk') {
        this.#nextChunk = (payloadOf(record) as Payload<'job.result_chunk'>).chunk_seq + 1;
      }
    }
    // What was streamed is compared with nothing: it comes from the same log there.
    if (this.#nextChunk > 0) this.#run.result.replayed();
    return told;
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
    if (shared !== undefined && (typeof args !== 'object' || args === null || Array.isArray(args))) {
      throw new ArcpError('INVALID_ARGUMENT', 'a context artifact goes with arguments that are an object');
    }
    return {
      agent,
      arguments: shared === undefined ? args : { ...(args as object), shared_memory_ref: shared },
      leaseRequest: told.lease_request ?? {},
      profile: told.profile ?? {},
      maxRuntimeMs: told.max_runtime_ms,
      idempotencyKey: `${id}/${told.handoff_id ?? ''}`,
      traceId: origin.traceId,
      priority: origin.priority,
    };
  }

  /** Has happen here what happens there, up to its end. */
  async #follow(remote: RemoteJob, line: Line, key: string, held: JobBudget): Promise<Terminal> {
    const { signal } = this.#ctx;
    const stop = (): void => {
      const { code, message } = ArcpError.from(signal.reason);
      // (F4)
      const goesOn = code === 'ABORTED' && this.#run.isRestartable;
      void (goesOn ? line.close() : remote.cancel(message));
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    let index = 0;
    try {
      for await (const event of remote.events) {
        if (isTerminal(event)) return event;
        if (event.type === 'job.accepted') continue;
        index += 1;
        if (index <= this.#seen) continue;
        this.#seen = index;
        try {
          this.#happens(event, key, held);
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

  #happens(event: AnyEnvelope, key: string, held: JobBudget): void {
    if (!this.#run.isLive) return;
    this.#run.sawLife();
    switch (event.type) {
      case 'metric':
        this.#measured(event.payload, key, held);
        break;
      case 'job.result_chunk':
        if (event.payload.chunk_seq < this.#nextChunk) break;
        this.#nextChunk = event.payload.chunk_seq + 1;
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

  /** (F2) What is left, and warnings, are told from what is charged here. */
  #measured(metric: Payload<'metric'>, key: string, held: JobBudget): void {
    const { name } = metric;
    if (name === COST_REMAINING || name === BUDGET_WARNING) return;
    const charge = chargeIn(metric);
    if (charge === undefined) {
      this.#run.say('metric', JSON.stringify(metric));
    } else if (this.#charged > 0) {
      this.#charged -= 1;
    } else {
      const { amount, currency } = charge;
      const dims = { ...metric.dims, handoff_id: key };
      const tell = (told: Payload<'metric'>): void => {
        this.#run.say('metric', JSON.stringify(told.name === name ? { ...told, dims } : told));
      };
      spend(this.#run.job, this.#context.limits, name, amount, currency, tell, held);
    }
  }

  /** This job ends as that one did. */
  async #end(terminal: Terminal, line: Line): Promise<unknown> {
    switch (terminal.type) {
      case 'job.completed': {
        const { value, summary, result_ref: ref } = terminal.payload;
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
const NOTES: ReadonlySet<string> = new Set([TREE_SPENT, JOB_RESTARTED, CREDENTIAL_ROTATED]);

function isTerminal(event: AnyEnvelope): event is Terminal {
  return event.type === 'job.completed' || event.type === 'job.failed' || event.type === 'job.cancelled';
}

/** Whether a job can be looked for again under its key: its session is gone, it may not be. */
function isLoss(error: unknown): boolean {
  return (
    error instanceof ArcpError && ['UNAVAILABLE', 'RESUME_WINDOW_EXPIRED', 'DATA_LOSS'].includes(error.code)
  );
}
