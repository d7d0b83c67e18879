/**
 * The `JobContext` of an agent in this process. Acts that are awaited wait while somebody interrupts the job. What an agent does after its job has ended is dropped where it has no
 * answer, and refused where it has one (R2).
 */
import type {
  AgentArtifactPart,
  AgentArtifactPiece,
  ArtifactOptions,
  ArtifactReader,
  ChildJob,
  ChildOutcome,
  DelegateAllOptions,
  DelegateItem,
  DelegateOptions,
  GuardedFiles,
  HandoffOptions,
  HandoffRef,
  Json,
  JobContext,
  JobStream,
  LeaseView,
  LogLevel,
  Progress,
  ResultChunk,
  ResultOptions,
  ResultStream,
  StreamOptions,
  ResumePoint,
  ShellOptions,
  ShellResult,
} from '../agents/agent.js';
import { artifactId, ArtifactResult, putArtifact, readArtifact } from '../agents/artifact-io.js';
import { delegateAll } from '../agents/delegate-all.js';
import { handled } from '../agents/handled.js';
import type {
  AskOptions,
  BudgetRequest,
  Choice,
  ChooseOptions,
  Guidance,
  PermissionLease,
  PermissionRequest,
} from '../agents/questions.js';
import type { ResultSoFar } from '../agents/replayed-result.js';
import { ChunkedResult } from '../agents/result-stream.js';
import type { ArtifactSource } from '../protocol/artifact-parts.js';
import { isCurrency, parseAmount } from '../protocol/cost-budget.js';
import { COST, OF_BUDGETS } from '../protocol/cost-names.js';
import { ArcpError } from '../protocol/errors.js';
import type { MessageType, Payload } from '../protocol/messages.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import { LOG_LEVELS } from '../protocol/payloads/telemetry.js';
import { putForJob } from './job-artifacts.js';
import type { WorkerProfile } from '../protocol/worker-profile.js';
import { checkName, checkNumber, checkText, checkWord, jsonText } from './agent-output.js';
import { keepCheckpoint } from './checkpoints.js';
import { GuardedActs } from './guarded-acts.js';
import type { EngineContext } from './engine-context.js';
import { handOver } from './handoff/hand-over.js';
import type { JobRun } from './job-run.js';
import { ask, choose, requestBudget, requestPermission } from './questions/asking.js';
import { spend } from './spending.js';

/**
 * Under these names the runtime tells of its own doings, and reads some of them back after a restart, and types that a
 * client cannot decode travel under their own names.
 */
const RESERVED_EVENTS =
  /^(?:credential_rotated$|(?:agent|artifact|cost|human|job|lease|permission|session|stream|subscribe|subscription|tool|trust|workflow)\.)/;

/** Levels of an envelope around the data. */
const EMIT_LEVELS = 3;

export function createJobContext(run: JobRun, context: EngineContext): JobContext {
  return new RunningJobContext(run, context);
}

class RunningJobContext implements JobContext {
  readonly #run: JobRun;
  readonly #context: EngineContext;
  #guarded: GuardedActs | undefined;

  constructor(run: JobRun, context: EngineContext) {
    this.#run = run;
    this.#context = context;
  }

  get jobId(): string {
    return this.#run.job.id;
  }

  get agent(): string {
    return this.#run.job.agent;
  }

  get traceId(): string {
    return this.#run.job.origin.traceId;
  }

  get parentJobId(): string | undefined {
    return this.#run.job.origin.parent?.id;
  }

  get principal(): string {
    return this.#run.job.origin.principal;
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }

  get isLive(): boolean {
    return this.#run.isLive;
  }

  get heartbeatMs(): number {
    return this.#run.job.origin.heartbeatMs;
  }

  get lease(): LeaseView {
    const {
      budget,
      bounds: { expiresAt, capabilities, closed },
    } = this.#run.job.origin;
    return {
      remaining: () => Promise.resolve(budget.remaining()),
      expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt).toISOString(),
      capabilities: Object.fromEntries(capabilities ?? []),
      closed: closed === true,
    };
  }

  get input(): JobContext['input'] {
    return this.#run.streams.input;
  }

  get attempt(): number {
    return this.#run.attempt.number;
  }

  get resumedFrom(): ResumePoint | undefined {
    return this.#run.attempt.resumedFrom;
  }

  get resultSoFar(): ResultSoFar | undefined {
    return this.#run.attempt.result;
  }

  checkpoint(data: Json): Promise<string> {
    return handled(keepCheckpoint(this.#run, data, this.#context));
  }

  onCheckpointRequest(snapshot: () => Json | Promise<Json>): void {
    this.#run.snapshots.listen(snapshot);
  }

  progress(progress: Progress): void {
    if (!this.#run.isLive) return;
    const payload = progressPayload(progress);
    this.#run.sawLife();
    this.#emit('job.progress', payload);
  }

  log(level: LogLevel, message: string, attributes?: Readonly<Record<string, Json>>): void {
    checkWord('log level', level, LOG_LEVELS);
    checkText('log message', message);
    if (attributes === undefined) {
      this.#emit('log', { level, message });
    } else if (this.#run.isLive) {
      // The envelope is one more level around the payload.
      const text = jsonText({ level, message, attributes }, this.#context.limits.maxNesting - 1);
      this.#run.say('log', text);
    }
  }

  metric(
    name: string,
    value: number,
    options: { readonly unit?: string; readonly dims?: Readonly<Record<string, string>> } = {},
  ): void {
    checkName('metric name', name);
    if (name.startsWith(COST))
      throw new ArcpError('INVALID_ARGUMENT', `metric ${name}: that is for ctx.charge`);
    checkNumber(`metric ${name}`, value);
    const { unit = '1', dims } = options;
    checkText(`unit of metric ${name}`, unit);
    this.#emit('metric', { name, value, unit, ...(dims === undefined ? {} : { dims }) });
  }

  emit(name: string, data?: Json): void {
    checkName('event name', name);
    if (RESERVED_EVENTS.test(name)) {
      throw new ArcpError('INVALID_ARGUMENT', `event name: ${JSON.stringify(name)} is one of the runtime's`);
    }
    if (!this.#run.isLive) return;
    const { maxNesting } = this.#context.limits;
    const text = data === undefined ? '' : `,"data":${jsonText(data, maxNesting - EMIT_LEVELS)}`;
    this.#run.sawLife();
    this.#run.say('event.emit', `{"name":${JSON.stringify(name)}${text}}`);
  }

  charge(name: string, amount: string, currency: string): Promise<void> {
    return handled(this.#charge(name, amount, currency));
  }

  async #charge(name: string, amount: string, currency: string): Promise<void> {
    if (this.#interruption !== undefined) await this.#interruption;
    this.#run.refuseWhenOver();
    this.#run.refuseExpired();
    checkName('charge name', name);
    if (name.startsWith(OF_BUDGETS))
      throw new ArcpError(
        'INVALID_ARGUMENT',
        `charge ${name}: only the runtime tells what is left of budgets`,
      );
    if (!isCurrency(currency)) throw new ArcpError('INVALID_ARGUMENT', 'charge: that is not a currency');
    const units = parseAmount(amount);
    spend(this.#run.job, this.#context.limits, name, units, currency, (metric) => {
      this.#emit('metric', metric);
    });
    await this.flushed();
  }

  heartbeat(options: { readonly deadlineMs?: number } = {}): void {
    const { deadlineMs } = options;
    if (deadlineMs !== undefined && !(Number.isSafeInteger(deadlineMs) && deadlineMs >= 0)) {
      throw new ArcpError(
        'INVALID_ARGUMENT',
        `heartbeat deadlineMs: ${deadlineMs} is no count of milliseconds`,
      );
    }
    if (this.#run.isLive) this.#run.heartbeat(deadlineMs);
  }

  summarize(summary: string): void {
    checkText('summary', summary);
    this.#run.summary = summary;
  }

  openResult(options: ResultOptions = {}): ResultStream {
    this.#run.refuseWhenOver();
    const { result } = this.#run;
    result.refuseSecond();
    const sink = {
      chunk: (chunk: ResultChunk): void => {
        this.#ownChunk(chunk);
      },
      replayed: () => {
        result.replayed();
      },
      flushed: () => this.flushed(),
    };
    const id = this.#context.newId('result');
    const stream =
      options.as === 'artifact'
        ? new ArtifactResult(id, options, this)
        : new ChunkedResult(id, options, sink, this.resultSoFar);
    result.opened(stream);
    return stream;
  }

  resultChunk(chunk: ResultChunk): void {
    this.#run.refuseWhenOver();
    const { result_id, chunk_seq, data, encoding, more } = chunk;
    this.#run.sawLife();
    this.#run.result.take(chunk, () => {
      this.#emit('job.result_chunk', { result_id, chunk_seq, data, encoding, more });
    });
  }

  /** `resultChunk` for one that was cut here: nothing of it has to be looked at again. */
  #ownChunk(chunk: ResultChunk): void {
    this.#run.refuseWhenOver();
    this.#run.sawLife();
    this.#run.result.takeOwn(chunk, () => {
      if (this.#run.isLive) this.#run.say('job.result_chunk', textOfOwn(chunk));
    });
  }

  artifact(source: ArtifactSource, options: ArtifactOptions = {}): Promise<ArtifactRef> {
    return handled(putArtifact(source, options, this.#context.newId('result'), this));
  }

  fetchArtifact(artifact: string | ArtifactRef): Promise<ArtifactReader> {
    return handled(readArtifact(artifact, this));
  }

  releaseArtifact(artifact: string | ArtifactRef): Promise<void> {
    return handled(this.#release(artifactId(artifact)));
  }

  async #release(id: string): Promise<void> {
    this.#run.refuseWhenOver();
    await this.#context.artifacts.release(this.#run.job.origin, id);
  }

  artifactPart(part: AgentArtifactPart): Promise<ArtifactRef> {
    return handled(this.#artifactPart(part));
  }

  async #artifactPart(part: AgentArtifactPart): Promise<ArtifactRef> {
    if (this.#interruption !== undefined) await this.#interruption;
    this.#run.refuseWhenOver();
    const ref = await putForJob(this.#context, this.#run.job.origin, part);
    this.#run.refuseWhenOver();
    this.#run.sawLife();
    if (!part.isLast) return ref;
    if (part.isResult === true) this.#run.result.refersTo(ref);
    else this.#emit('artifact.ref', { artifact: ref, ...ref });
    await this.flushed();
    return ref;
  }

  artifactPiece(id: string, offset: number): Promise<AgentArtifactPiece> {
    return handled(this.#artifactPiece(id, offset));
  }

  async #artifactPiece(id: string, offset: number): Promise<AgentArtifactPiece> {
    if (this.#interruption !== undefined) await this.#interruption;
    this.#run.refuseWhenOver();
    const { ref, bytes, more } = await this.#context.artifacts.fetch(this.#run.job.origin, id, offset);
    this.#run.sawLife();
    return { ref, bytes, more };
  }

  openStream(options: StreamOptions): JobStream {
    this.#run.refuseWhenOver();
    return this.#run.streams.open(options);
  }

  delegate(target: string, options: DelegateOptions = {}): Promise<ChildJob> {
    return handled(this.#delegate(target, options));
  }

  delegateAll(items: readonly DelegateItem[], options?: DelegateAllOptions): Promise<ChildOutcome[]> {
    return handled(delegateAll((target, given) => this.delegate(target, given), items, options));
  }

  async #delegate(target: string, options: DelegateOptions): Promise<ChildJob> {
    await this.#interruption;
    this.#run.refuseWhenOver();
    return this.#context.delegate(this.#run, target, options);
  }

  handoff(to: string | HandoffRef, agent: string, options: HandoffOptions = {}): Promise<unknown> {
    return handled(this.#handoff(to, agent, options));
  }

  async #handoff(to: string | HandoffRef, agent: string, options: HandoffOptions): Promise<unknown> {
    await this.#interruption;
    this.#run.refuseWhenOver();
    return handOver(this.#run, this, this.#context, to, agent, options);
  }

  ask(prompt: string, options: AskOptions = {}): Promise<unknown> {
    return handled(this.#ask(() => ask(this.#run, this.#context, prompt, options)));
  }

  choose(prompt: string, choices: readonly Choice[], options: ChooseOptions = {}): Promise<string> {
    return handled(this.#ask(() => choose(this.#run, this.#context, prompt, choices, options)));
  }

  requestPermission(request: PermissionRequest): Promise<PermissionLease> {
    return handled(this.#ask(() => requestPermission(this.#run, this.#context, request)));
  }

  requestBudget(currency: string, amount: string, request: BudgetRequest = {}): Promise<void> {
    return handled(this.#ask(() => requestBudget(this.#run, this.#context, currency, amount, request)));
  }

  async guidance(): Promise<readonly Guidance[]> {
    await this.#interruption;
    return this.#run.askedQuestions?.takeGuidance() ?? [];
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#interruption !== undefined) await this.#interruption;
    return question();
  }

  get profile(): WorkerProfile {
    return this.#run.job.origin.authority.profileAt(this.#context.clock.now());
  }

  get #acts(): GuardedActs {
    return (this.#guarded ??= new GuardedActs(this.#run, this.#context, this, () => this.#interruption));
  }

  authorize(capability: string, target: string): Promise<string> {
    return handled(this.#acts.authorize(capability, target));
  }

  get fs(): GuardedFiles {
    return this.#acts.fs;
  }

  fetch(input: string | URL, init?: RequestInit): Promise<Response> {
    return handled(this.#acts.fetch(input, init));
  }

  get tools(): JobContext['tools'] {
    return this.#acts.tools;
  }

  get model(): JobContext['model'] {
    return this.#acts.model;
  }

  shell(argv: readonly string[], options?: ShellOptions): Promise<ShellResult> {
    return handled(this.#acts.shell(argv, options));
  }

  flushed(): Promise<void> {
    const { journal } = this.#context;
    return this.#interruption?.then(() => journal.flushed()) ?? journal.flushed();
  }

  /** Resolves when whoever interrupts the job lets it go on; nothing where nobody does. */
  get #interruption(): Promise<void> | undefined {
    return this.#run.askedQuestions?.interruption;
  }

  #emit<T extends MessageType>(type: T, payload: Payload<T>): void {
    if (this.#run.isLive) this.#run.say(type, JSON.stringify(payload));
  }
}

/** Of a chunk that was cut here. Nothing in base64 has to be escaped, and there is much of it. */
function textOfOwn({ result_id, chunk_seq, data, encoding, more }: ResultChunk): string {
  const text = encoding === 'base64' ? `"${data}"` : JSON.stringify(data);
  return `{"result_id":${JSON.stringify(result_id)},"chunk_seq":${chunk_seq},"data":${text},"encoding":"${encoding}","more":${more}}`;
}

/** Fills in what peers expect: `current` always, `percent` where it can be told (decision 9). */
function progressPayload(progress: Progress): Payload<'job.progress'> {
  const { message, total, units } = progress;
  checkAmount('progress percent', progress.percent);
  checkAmount('progress current', progress.current);
  checkAmount('progress total', total);
  if (message !== undefined) checkText('progress message', message);
  if (units !== undefined) checkText('progress units', units);
  const percent =
    progress.percent ??
    (progress.current !== undefined && total !== undefined && total > 0
      ? Math.min(100, (100 * progress.current) / total)
      : undefined);
  if (percent !== undefined && percent > 100) {
    throw new ArcpError('INVALID_ARGUMENT', `progress percent: ${percent} is over 100`);
  }
  if (progress.current !== undefined && total !== undefined && progress.current > total) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      `progress current: ${progress.current} is over the total of ${total}`,
    );
  }
  const current = progress.current ?? (total === undefined ? (percent ?? 0) : ((percent ?? 0) / 100) * total);
  return { percent, current, message, total, units };
}

function checkAmount(what: string, value: number | undefined): void {
  if (value === undefined) return;
  checkNumber(what, value);
  if (value < 0) throw new ArcpError('INVALID_ARGUMENT', `${what}: ${value} is negative`);
}
