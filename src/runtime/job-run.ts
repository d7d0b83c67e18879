/**
 * One job being done: from its committed `job.accepted` to its terminal event.
 *
 * (R1) The agent starts only after `job.accepted` is committed (L2).
 * (R2) Whatever ends the job first decides how it ends. What the agent does afterwards is dropped.
 * (R3) A stopped agent has until the deadline to end by itself; then the job ends without it: a cancelled one with
 *      ABORTED (decision 8), any other with the error that stopped it.
 * (R4) A job ends after its children (`job-children.ts`).
 * (R5) Whatever an agent returns, throws or leaves lying about, its job ends and nobody else's is touched.
 * (R6) A run is one attempt at its job. Once the next one has begun it is dead: whatever its agent still does is refused
 *      or dropped, and nothing of it reaches the job, its children or its log.
 */
import { placeOf, type Agent, type AgentPlaces, type ResumePoint } from '../agents/agent.js';
import { AttemptLost } from '../agents/remote/link.js';
import type { ResultSoFar } from '../agents/replayed-result.js';
import { ResultLedger } from '../agents/result-ledger.js';
import { ArcpError } from '../protocol/errors.js';
import type { Capability } from '../protocol/lease-capability.js';
import type { MessageType } from '../protocol/messages.js';
import { AgentCall } from './agent-call.js';
import { checkedArguments } from '../agents/checked-arguments.js';
import type { Timer } from '../clock.js';
import { AS_WORKFLOW, cancelled, failed, ONCE, type Ending } from './ending.js';
import { FIRST_ATTEMPT, JOB_RESTARTED, type Attempt, type Restarted } from './attempt.js';
import { SnapshotRequests } from './snapshot-requests.js';
import type { EngineContext } from './engine-context.js';
import type { EnvelopeFields, LogEvent } from './event-log.js';
import type { Job } from './job.js';
import { JobChildren } from './job-children.js';
import { createJobContext } from './job-context.js';
import { JobDeadlines, type GuardedAct } from './job-deadlines.js';
import { JobSpeech } from './job-speech.js';
import { JobStreams } from './job-streams.js';
import { Liveness } from './liveness.js';
import { JobQuestions } from './questions/job-questions.js';
import type { RecordedQuestion } from './questions/question.js';

/** Why a job is stopped before its agent is done. */
export type StopReason =
  | { readonly kind: 'cancel'; readonly reason: string | undefined }
  | { readonly kind: 'fail'; readonly error: ArcpError };

type Phase =
  /** For its first event to be committed, and then for room; a further attempt for its time. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'running' }
  | { readonly kind: 'stopping'; readonly ending: Ending; readonly deadline: Timer }
  | { readonly kind: 'closing'; readonly ending: Ending }
  | { readonly kind: 'over' };

const NO_REPLAY: ResultSoFar['replay'] = { bytes: 0, sha256: '' };

/** What late users of a signal see; one for all jobs. */
const JOB_OVER = new ArcpError('CANCELLED', 'the job has ended');

export class JobRun {
  readonly job: Job;
  summary: string | undefined;
  /** What the agent gives when a client asks for a checkpoint. */
  readonly snapshots = new SnapshotRequests();
  readonly #agent: Agent;
  #attempt: Attempt;
  /** Of an agent that can be resumed, as text: one attempt must not see what the one before did to it. */
  #arguments: { readonly value: unknown } | { readonly text: string } | undefined;
  readonly #context: EngineContext;
  readonly #liveness: Liveness;
  readonly #speech: JobSpeech;
  readonly #children: JobChildren;
  readonly #deadlines: JobDeadlines;
  #result: ResultLedger | undefined;
  #questions: JobQuestions | undefined;
  #streams: JobStreams | undefined;
  /** Whether it has yet to take over what was sent into the attempt before. */
  #takesOver = false;
  #phase: Phase;
  /** Made when the agent first asks for its signal: most never do. */
  #abort: AbortController | undefined;
  #stopped: ArcpError | undefined;

  constructor(job: Job, agent: Agent, args: unknown, context: EngineContext, attempt = FIRST_ATTEMPT) {
    this.job = job;
    this.#agent = agent;
    this.#context = context;
    this.#attempt = attempt;
    this.#arguments = this.#isRepeatable ? { text: JSON.stringify(args) } : { value: args };
    this.#phase = { kind: 'waiting' };
    job.attempt = attempt.number;
    this.#liveness = new Liveness(job, agent.heartbeat, context, () => {
      const error = new ArcpError('HEARTBEAT_LOST', `${job.agent} gave no sign of life`);
      if (!this.#goesOnElsewhere(error)) this.#abandon(error);
    });
    const fail = (error: ArcpError): void => {
      this.stop({ kind: 'fail', error });
    };
    this.#speech = new JobSpeech(job, context.limits, fail);
    this.#children = new JobChildren(job, context.runs);
    this.#deadlines = new JobDeadlines(job, context.clock, fail);
    job.log.observe(this);
  }

  /** What it streams of its result. */
  get result(): ResultLedger {
    const { maxChunkBytes, maxResultBytes } = this.#context.limits;
    const { result } = this.#attempt;
    // A thread has a ledger of its own, which has seen to the replay.
    const soFar = this.#agent.worker === undefined ? result : result && { ...result, replay: NO_REPLAY };
    return (this.#result ??= new ResultLedger({ maxChunkBytes, maxTotalBytes: maxResultBytes }, soFar));
  }

  get attempt(): Attempt {
    return this.#attempt;
  }

  /** What it asks of people. Most ask nothing. */
  get questions(): JobQuestions {
    return (this.#questions ??= new JobQuestions(this, this.#context));
  }

  /** The same, where anything was asked. */
  get askedQuestions(): JobQuestions | undefined {
    return this.#questions;
  }

  get resultSoFar(): ResultLedger | undefined {
    return this.#result;
  }

  get streamsSoFar(): JobStreams | undefined {
    return this.#streams;
  }

  /** The streams from it and into it. */
  get streams(): JobStreams {
    return (this.#streams ??= new JobStreams(this, this.#context));
  }

  /** Aborted when the job is stopped; its `reason` is an `ArcpError`. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#stopped !== undefined) this.#abort.abort(this.#stopped);
    return this.#abort.signal;
  }

  /**
   * Whether a later life of the runtime can go on with the job: with a child only as far as it can with its parent, unless
   * it is to outlive that.
   */
  get isRestartable(): boolean {
    const { parent, delegation, onParentEnd } = this.job.origin;
    if (this.#agent.recovery === 'fail') return false;
    if (parent === undefined) return true;
    const isFollowed = this.#context.runs.get(parent.id)?.isRestartable === true;
    return isFollowed ? delegation !== undefined : onParentEnd === 'detach';
  }

  /** Where it gets its place, if places are limited. */
  get places(): AgentPlaces | undefined {
    return this.#agent.places;
  }

  /** What its place is called. */
  get place(): string {
    return placeOf(this.job.id, this.#attempt.number);
  }

  /** Whether its files are those of another machine. */
  get isElsewhere(): boolean {
    return this.#agent.elsewhere === true;
  }

  /** How it goes on when whoever did an attempt is lost. */
  get recovery(): Agent['recovery'] {
    return this.#agent.recovery;
  }

  /** Whether another attempt may need its arguments. */
  get #isRepeatable(): boolean {
    const { recovery, places } = this.#agent;
    return recovery === 'resume' || (recovery === 'restart' && places !== undefined);
  }

  /** Whether another attempt takes over, when whoever did this one was lost. */
  #goesOnElsewhere(error: ArcpError): boolean {
    return this.places !== undefined && this.isRunning && this.#context.goOnElsewhere(this, error);
  }

  /** Whether a client may have the job started again from an earlier checkpoint. */
  get isResumable(): boolean {
    return this.#agent.recovery === 'resume';
  }

  /** Whether the agent may still act for this job. */
  get isLive(): boolean {
    return (this.#phase.kind === 'running' || this.#phase.kind === 'stopping') && this.#isLatest;
  }

  /** (R6) */
  get #isLatest(): boolean {
    return this.job.attempt === this.#attempt.number;
  }

  /** Whether the agent is at it, and nothing has stopped it yet. */
  get isRunning(): boolean {
    return this.#phase.kind === 'running' && this.#isLatest;
  }

  /** How much of its running time is left, if that is bounded. */
  get runtimeLeftMs(): number | undefined {
    return this.#deadlines.runtimeLeftMs;
  }

  /** Throws why the job may not start children any more, if it may not. */
  refuseChildren(): void {
    this.refuseExpired();
    if (this.#phase.kind === 'waiting' || this.#phase.kind === 'running') return;
    if (this.#phase.kind !== 'over')
      throw new ArcpError('CANCELLED', `job ${this.job.id} is being stopped: it cannot delegate any more`);
    throw new ArcpError('FAILED_PRECONDITION', `job ${this.job.id} has ended: it cannot delegate any more`);
  }

  /**
   * The target in the form in which to act on it. Every guarded act asks here first (L4).
   * Throws FAILED_PRECONDITION, LEASE_EXPIRED, LEASE_REVOKED, BUDGET_EXHAUSTED, PERMISSION_DENIED or INVALID_ARGUMENT.
   */
  authorize(capability: Capability, target: string): string {
    this.#refuseAct({ capability, target });
    return this.job.origin.authority.check(capability, target, this.#context.clock.now());
  }

  /** Whether its owner is asked for what its lease does not cover (`uncovered-acts.ts`, E1). */
  get asksForActs(): boolean {
    const said = this.job.origin.terms?.uncoveredActs ?? this.#agent.uncoveredActs;
    return (said ?? this.#context.uncoveredActs) === 'ask';
  }

  /** `authorize` for all targets that a pattern matches, the profile apart. */
  authorizeAll(capability: Capability, pattern: string): void {
    this.#refuseAct({ capability, target: pattern });
    this.job.origin.authority.checkAll(capability, pattern, this.#context.clock.now());
  }

  /** Throws where nothing guarded may be done any more, whatever it is. */
  #refuseAct(act: GuardedAct): void {
    if (!this.isLive)
      throw new ArcpError(
        'FAILED_PRECONDITION',
        `job ${this.job.id} has ended: its agent cannot act any more`,
      );
    this.refuseExpired(act);
    this.job.origin.budget.refuseExhausted(act);
  }

  /** Throws LEASE_EXPIRED when the lease has run out, be the timer that says so late or not (L4). */
  refuseExpired(act?: GuardedAct): void {
    this.#deadlines.refuseExpired(act);
  }

  onEvent(event: LogEvent): void {
    this.#streams?.committed(event);
    if (event.type !== 'job.accepted' || this.#phase.kind !== 'waiting') return;
    this.#deadlines.watchLease();
    this.#context.admission.enter(this);
  }

  /** The job, whose first event the store has, goes on after a restart. What had begun keeps its place among others. */
  takeUp(recoveries: number): void {
    const { admission, clock, limits } = this.#context;
    this.#deadlines.watchLease();
    if (this.#attempt.number === 1) {
      admission.expect(this);
      admission.enter(this);
      return;
    }
    admission.hold(this.job);
    this.#deadlines.watchRuntime();
    this.#tellAttempt('recovery');
    const backoffMs = Math.min(limits.restartBackoffMs * 2 ** (recoveries - 1), limits.maxRestartBackoffMs);
    clock.timer(backoffMs, () => {
      if (this.#phase.kind === 'waiting') admission.enterAgain(this);
    });
  }

  /**
   * Makes way for another attempt (R6): the new run, which waits for `restart`. It goes on from an earlier checkpoint, or
   * from one that is yet to be found.
   */
  replace(resumedFrom: ResumePoint | undefined): JobRun {
    const { job } = this;
    const run = new JobRun(job, this.#agent, this.#input(), this.#context, {
      number: this.#attempt.number + 1,
      resumedFrom,
    });
    this.letGo(new ArcpError('ABORTED', `attempt ${run.attempt.number} at the job was begun`));
    this.#context.admission.replaced(this);
    job.log.unobserve(this);
    if (this.#questions !== undefined) job.log.unobserve(this.#questions);
    run.#takesOver = true;
    run.#deadlines.watchLease();
    run.#deadlines.watchRuntime();
    if (resumedFrom !== undefined) run.#tellAttempt('restore');
    this.#children.stopUnkeyed();
    return run;
  }

  /**
   * Starts an attempt that took the place of another, whose questions are its own now (`questions/`, Q4); false when
   * something has ended it meanwhile.
   *
   * @param moved from where one goes on that was not told of yet
   */
  restart(
    result: ResultSoFar | undefined,
    questions: readonly RecordedQuestion[],
    moved?: { readonly resumedFrom: ResumePoint | undefined },
  ): boolean {
    if (this.#phase.kind !== 'waiting') return false;
    this.#takesOver = false;
    this.#attempt = { ...this.#attempt, ...moved, result };
    if (moved !== undefined) this.#tellAttempt('moved');
    if (questions.length > 0) this.questions.restore(questions);
    this.#context.admission.enterAgain(this);
    return true;
  }

  #tellAttempt(reason: Restarted['reason']): void {
    const { number: attempt, resumedFrom } = this.#attempt;
    const data: Restarted = {
      attempt,
      reason,
      ...(resumedFrom === undefined ? {} : { checkpoint_id: resumedFrom.checkpointId }),
    };
    this.job.emit('event.emit', { name: JOB_RESTARTED, data });
  }

  #input(): unknown {
    if (this.#arguments === undefined) throw new Error(`the arguments of ${this.job.id} were let go of`);
    return 'text' in this.#arguments ? JSON.parse(this.#arguments.text) : this.#arguments.value;
  }

  /** Called by admission: there is no room yet. */
  queued(): void {
    this.job.heartbeat(2 * this.job.origin.heartbeatMs, 'queued');
  }

  /** Called by admission: there is room. */
  start(): void {
    const { job } = this;
    if (this.#phase.kind !== 'waiting') return;
    let input: unknown;
    try {
      this.refuseExpired();
      input = checkedArguments(this.#agent.input, this.#input());
      if (!this.#isRepeatable) this.#arguments = undefined;
    } catch (error) {
      this.#finish(failed(error));
      return;
    }
    this.#phase = { kind: 'running' };
    job.startedAt ??= this.#context.clock.now();
    this.#deadlines.watchRuntime();
    job.emit('job.started', {
      description: `running ${job.agent}`,
      job_id: job.id,
      started_at: this.#context.timestamps.now(),
    });
    this.#questions?.started();
    this.#execute(input);
    if (this.isRunning) this.#liveness.start();
  }

  /**
   * Appends what the agent says.
   * Throws RESOURCE_EXHAUSTED when it is too large, BACKPRESSURE_OVERFLOW when too much waits for the store.
   */
  say(type: MessageType, text: string, maxBytes?: number, fields?: EnvelopeFields): LogEvent {
    this.#refuseStale();
    return this.#speech.say(type, text, maxBytes, fields);
  }

  /** It waits for a person (RFC 0001 §10.5, §12). */
  block(): void {
    this.#liveness.hold();
    if (this.job.state === 'running') this.job.heartbeat(2 * this.job.origin.heartbeatMs, 'blocked');
  }

  /** It no longer does. */
  goOn(): void {
    if (!this.isRunning) return;
    if (this.job.state === 'blocked') this.job.heartbeat(2 * this.job.origin.heartbeatMs, 'running');
    this.#liveness.goOn();
  }

  /** Throws why its agent may not ask people any more, if it may not. */
  refuseQuestions(): void {
    if (this.isRunning) return;
    if (this.#stopped !== undefined && this.isLive) throw this.#stopped;
    throw new ArcpError('FAILED_PRECONDITION', `job ${this.job.id} is not running: it can ask nobody`);
  }

  /** Appends what a client sends into the job. Throws RESOURCE_EXHAUSTED or BACKPRESSURE_OVERFLOW. */
  hear(type: MessageType, text: string, fields: EnvelopeFields): LogEvent {
    return this.#speech.hear(type, text, fields);
  }

  /** Whether clients may open streams into it now. Throws FAILED_PRECONDITION when not. */
  refuseInput(): void {
    if (!this.#agent.takesInput)
      throw new ArcpError('FAILED_PRECONDITION', `${this.job.agent} takes no input`);
    if (this.#takesOver)
      throw new ArcpError('UNAVAILABLE', `job ${this.job.id} is being started again: open the stream anew`);
    if (this.#phase.kind !== 'waiting' && this.#phase.kind !== 'running')
      throw new ArcpError('FAILED_PRECONDITION', `job ${this.job.id} is ending: it takes no more input`);
  }

  /** Throws why its agent cannot act any more, if it cannot. */
  refuseWhenOver(): void {
    this.#refuseStale();
    if (this.isLive) return;
    const message = `job ${this.job.id} has ended: its agent cannot act any more`;
    throw new ArcpError('FAILED_PRECONDITION', message);
  }

  /** (R6) Throws ABORTED. */
  #refuseStale(): void {
    if (this.#isLatest) return;
    const { number } = this.#attempt;
    throw new ArcpError(
      'ABORTED',
      `attempt ${number} at the job is over: attempt ${this.job.attempt} goes on`,
    );
  }

  /** Notes a sign of life that is not a heartbeat (decision 7). */
  sawLife(): void {
    this.#liveness.sign();
  }

  /** A heartbeat of an agent that sends its own. */
  heartbeat(deadlineMs: number | undefined): void {
    this.#liveness.beat(deadlineMs);
  }

  /** Stops the job; a job that is stopping or over already is left as it is. */
  stop(reason: StopReason, deadlineMs = this.#context.limits.cancelDeadlineMs): void {
    const ending = reason.kind === 'fail' ? failed(reason.error) : cancelled(reason.reason);
    if (this.#phase.kind === 'waiting') {
      this.#finish(ending);
      return;
    }
    if (this.#phase.kind !== 'running') return;
    const deadline = this.#context.clock.timer(deadlineMs, () => {
      this.#finish(reason.kind === 'fail' ? ending : failed(didNotEnd(this.job.agent, deadlineMs)));
    });
    this.#phase = { kind: 'stopping', ending, deadline };
    this.#liveness.unwatch();
    this.#streams?.hurry();
    const why =
      reason.kind === 'fail'
        ? reason.error
        : new ArcpError('CANCELLED', reason.reason ?? 'the job was cancelled');
    this.#questions?.close(why);
    this.#signalStop(why);
    this.#children.stop('its parent was stopped', deadlineMs);
  }

  /** A child has appended its terminal event. */
  childEnded(): void {
    if (this.#phase.kind === 'closing' && !this.#children.any) this.#close(this.#phase.ending);
  }

  /** The store lost events of this job. What was seen of it stays, so its end is told, if the store takes that. */
  storeFailed(error: ArcpError): void {
    this.#streams?.lost(this.job.log.committedSeq);
    if (this.#phase.kind === 'closing') this.#phase = { kind: 'closing', ending: failed(error) };
    this.#questions?.lost(error);
    if (!this.job.lost) {
      this.#abandon(error);
      return;
    }
    this.letGo(error);
    this.job.origin.budget.settle();
    this.job.giveUp(failed(error));
    this.#context.ended(this);
  }

  /** Drops the job where it stands, without another event. */
  letGo(error: ArcpError): void {
    this.#leave();
    this.#questions?.drop(error);
    this.#phase = { kind: 'over' };
    this.#streams?.letGo(error);
    this.#signalStop(error);
  }

  #signalStop(error: ArcpError): void {
    this.#stopped ??= error;
    this.#streams?.closeInput(this.#stopped);
    this.#abort?.abort(this.#stopped);
  }

  /** Ends the job without waiting for its agent. */
  #abandon(error: ArcpError): void {
    this.#signalStop(error);
    this.#finish(failed(error));
  }

  #execute(input: unknown): void {
    const ctx = createJobContext(this, this.#context);
    // What was streamed is a part of this attempt's result, whether its agent remembers it or not.
    this.#result = this.#attempt.result === undefined ? undefined : this.result;
    const room = this.#agent.isWorkflow === true ? AS_WORKFLOW : ONCE;
    const call = new AgentCall(this, this.#context.limits, room, (ending, thrown) => {
      if (this.#phase.kind === 'stopping') this.#finish(this.#phase.ending);
      if (this.#phase.kind !== 'running') return;
      if (!(thrown instanceof AttemptLost && this.#goesOnElsewhere(thrown))) this.#finish(ending());
    });
    call.begin(() =>
      this.#context.execute(this.#agent, input, ctx, (isWaiting) => {
        this.#liveness.rest(isWaiting);
      }),
    );
  }

  #finish(ending: Ending): void {
    if (this.#phase.kind === 'closing' || this.#phase.kind === 'over') return;
    this.#leave();
    this.#questions?.close(JOB_OVER);
    if (!this.#children.any) {
      this.#close(ending);
      return;
    }
    this.#phase = { kind: 'closing', ending };
    this.#children.stop('its parent has ended');
  }

  /** Lets go of what the phase owned. */
  #leave(): void {
    if (this.#phase.kind === 'stopping') this.#phase.deadline.cancel();
    this.#deadlines.cancel();
    this.#liveness.stop();
  }

  #close(ending: Ending): void {
    this.#phase = { kind: 'over' };
    const { job } = this;
    // Only a running job completes (decision 6); that it ends is the sign that it lives.
    if (ending.type === 'job.completed' && job.state === 'blocked') {
      job.heartbeat(2 * job.origin.heartbeatMs, 'running');
    }
    this.#streams?.end(ending);
    if (this.#agent.isWorkflow === true && ending.type === 'job.completed') {
      job.emitText('workflow.complete', ending.text);
    }
    this.#context.closing(job);
    job.end(ending);
    job.origin.budget.settle();
    this.#signalStop(JOB_OVER);
    this.#context.ended(this);
  }
}

/** The end of a job that was cancelled, and whose agent took no notice. */
function didNotEnd(agent: string, deadlineMs: number): ArcpError {
  const details = { after: 'cancel', deadline_ms: deadlineMs };
  return new ArcpError('ABORTED', `${agent} did not end within ${deadlineMs} ms`, { details });
}
