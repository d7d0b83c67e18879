/**
 * What an agent asks and tells through its context, as messages to the runtime (PROTOCOL.md, flow 10), and the answers as
 * what the agent gets. What it does on its own machine is done here, once the runtime has said that it may.
 */
import type {
  AgentArtifactPart,
  AgentArtifactPiece,
  GuardedFiles,
  HandoffOptions,
  HandoffRef,
  ModelChoice,
  Progress,
  ResultChunk,
  ShellOptions,
} from '../agents/agent.js';
import { artifactId } from '../agents/artifact-io.js';
import type { ContextPort } from '../agents/mirrored-context.js';
import { callChild } from '../agents/numbered-children.js';
import type {
  AskOptions,
  BudgetRequest,
  Choice,
  ChooseOptions,
  PermissionLease,
  PermissionRequest,
  QuestionOptions,
} from '../agents/questions.js';
import { ASKS } from '../agents/remote/remote-questions.js';
import type { CallMethod, MirroredJob, NoteMethod } from '../agents/worker-messages.js';
import { decodeBase64, encodeBase64 } from '../protocol/base64.js';
import { parseAmount, isCurrency } from '../protocol/cost-budget.js';
import { ArcpError } from '../protocol/errors.js';
import type { Id } from '../protocol/ids.js';
import { describeIssues } from '../protocol/issues.js';
import { MESSAGES, type MessageType, type Payload } from '../protocol/messages.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import { BUDGET_OPERATION, BUDGET_PERMISSION } from '../protocol/payloads/permissions.js';
import { knownErrorCode } from '../protocol/scalars.js';
import type { AskKind, JobWire, Read } from './job-wire.js';
import { LocalActs } from './local-acts.js';
import { WireChildren, type ChildEnded } from './wire-children.js';
import { WireStreams } from './wire-streams.js';

/** As long as a question stays open where its agent does not say: the runtime's `questionExpiryMs`, by default. */
const QUESTION_MS = 600_000;
/** Metrics of these names are charges, and are answered. */
const COST = 'cost.';
/** The operation of a request that only asks whether an act is allowed. */
const CHECK = 'check';
/** Bytes of one piece of an artifact. */
const PIECE_BYTES = 1_048_576;

/** Names that ask something of the runtime. */
const ASKED: ReadonlySet<string> = new Set(Object.values(ASKS));

const acked: Read<undefined> = ({ type }) => (type === 'ack' ? { value: undefined } : undefined);

export class WirePort implements ContextPort {
  readonly streams: WireStreams;
  /** What `job.completed` says. */
  summary: string | undefined;
  /** The artifact that is the result. */
  resultRef: ArtifactRef | undefined;
  readonly #wire: JobWire;
  readonly #acts: LocalActs;
  readonly #children: WireChildren;
  readonly #stop: (error: ArcpError) => void;
  #beats = 0;

  /** @param stop stops a job that says more than the runtime takes */
  constructor(
    wire: JobWire,
    job: MirroredJob,
    signal: AbortSignal,
    ended: ChildEnded,
    stop: (error: ArcpError) => void,
  ) {
    this.#wire = wire;
    this.#stop = stop;
    this.streams = new WireStreams(wire, signal);
    this.#children = new WireChildren(wire, ended);
    this.#acts = new LocalActs(job, signal, wire.link.clock, (capability, target) =>
      this.#mayAct(capability, target),
    );
  }

  get isLive(): boolean {
    return !this.#wire.isOver;
  }

  listens(): void {
    // The runtime asks when somebody wants a checkpoint.
  }

  note(method: NoteMethod, ...args: readonly unknown[]): void {
    switch (method) {
      case 'progress':
        this.#tell('job.progress', args[0] as Progress);
        return;
      case 'log': {
        const [level, message, attributes] = args;
        this.#tell('log', { level, message, attributes });
        return;
      }
      case 'metric': {
        const [name, value, { unit = '1', dims } = {}] = args as [
          unknown,
          unknown,
          { unit?: string; dims?: unknown }?,
        ];
        if (typeof name === 'string' && name.startsWith(COST))
          throw new ArcpError('INVALID_ARGUMENT', `metric ${name}: spending goes through ctx.charge`);
        this.#tell('metric', { name, value, unit, dims });
        return;
      }
      case 'emit': {
        const [name, data] = args;
        if (typeof name === 'string' && ASKED.has(name))
          throw new ArcpError('INVALID_ARGUMENT', `event name: ${name} is one of the runtime's`);
        this.#tell('event.emit', { name, data });
        return;
      }
      case 'heartbeat': {
        const [{ deadlineMs } = {}] = args as [{ readonly deadlineMs?: number }?];
        this.beat(deadlineMs);
        return;
      }
      case 'summarize':
        this.summary = String(args[0]);
        return;
      case 'resultChunk':
        this.#tell('job.result_chunk', args[0] as ResultChunk);
        return;
    }
  }

  /** Shows a sign of life. */
  beat(deadlineMs?: number): void {
    const deadline = deadlineMs === undefined ? {} : { deadline_ms: deadlineMs };
    this.#tell('job.heartbeat', { sequence: this.#beats++, state: 'running', ...deadline });
  }

  async call(method: CallMethod, ...args: readonly unknown[]): Promise<unknown> {
    switch (method) {
      case 'charge':
        return this.#charge(...(args as [string, string, string]));
      case 'checkpoint':
        return this.#ask('brief', 'job.checkpoint', { checkpoint_id: 'agent', data: args[0] }, (answer) =>
          answer.type === 'ack' ? { value: answer.payload.checkpoint_id ?? '' } : undefined,
        );
      case 'flushed':
        return this.#ask('brief', 'ping', {}, ({ type }) =>
          type === 'pong' ? { value: undefined } : undefined,
        );
      case 'remaining':
        return this.#emitted('brief', ASKS.remaining);
      case 'guidance':
        return this.#emitted('long', ASKS.guidance);
      case 'authorize':
        return this.#acts.authorize(...(args as [string, string]));
      case 'fs': {
        const [name, ...rest] = args as [keyof GuardedFiles, ...unknown[]];
        return this.#acts.onFiles(name, rest);
      }
      case 'shell':
        return this.#acts.shell(...(args as [string[], ShellOptions?]));
      case 'tool': {
        const [tool, given] = args as [string, unknown];
        return this.#ask('long', 'tool.invoke', { tool, arguments: given ?? {} }, (answer) => {
          if (answer.type === 'tool.error') throw ArcpError.fromPayload(answer.payload);
          return answer.type === 'tool.result' ? { value: answer.payload.value } : undefined;
        });
      }
      case 'model':
        return this.#useModel(args[0] as string | undefined);
      case 'delegate':
      case 'childCancel':
      case 'childBytes':
      case 'childForget':
      case 'childRead':
      case 'childNext':
      case 'childLeave':
        return callChild(this.#children, method, args);
      case 'handoff':
        return this.#handoff(...(args as [string | HandoffRef, string, HandoffOptions?]));
      case 'ask':
        return this.#question(...(args as [string, AskOptions?]));
      case 'choose':
        return this.#choice(...(args as [string, readonly Choice[], ChooseOptions?]));
      case 'requestPermission':
        return this.#requestPermission(args[0] as PermissionRequest);
      case 'requestBudget':
        return this.#requestBudget(...(args as [string, string, BudgetRequest?]));
      case 'artifactPart':
        return this.#putPart(args[0] as AgentArtifactPart);
      case 'artifactPiece':
        return this.#fetchPiece(...(args as [string, number]));
      case 'releaseArtifact': {
        const artifact_id = artifactId(args[0] as string | ArtifactRef) as Id<'artifact'>;
        return this.#ask('brief', 'artifact.release', { artifact_id }, acked);
      }
      default:
        throw new ArcpError('UNIMPLEMENTED', `ctx.${method} is not for agents that are hosted elsewhere`);
    }
  }

  #ask<T extends MessageType, V>(kind: AskKind, type: T, payload: Payload<T>, read: Read<V>): Promise<V> {
    return this.#wire.ask(kind, type, payload, read);
  }

  /** Says what is not answered. Throws INVALID_ARGUMENT where it is not what the message carries, as a job in process does. */
  #tell(
    type: 'event.emit' | 'job.progress' | 'job.heartbeat' | 'job.result_chunk' | 'log' | 'metric',
    given: object,
  ): void {
    if (this.#wire.isOver) return;
    const read = MESSAGES[type].schema.safeParse(given);
    if (!read.success)
      throw new ArcpError('INVALID_ARGUMENT', `${type}: ${describeIssues(read.error.issues, given)}`);
    if (this.#wire.link.isBehind) {
      const message = 'too much waits for the runtime: await ctx.flushed() between bursts';
      const error = new ArcpError('BACKPRESSURE_OVERFLOW', message);
      this.#stop(error);
      throw error;
    }
    this.#wire.say(type, read.data);
  }

  async #charge(name: string, amount: string, currency: string): Promise<undefined> {
    if (typeof name !== 'string' || !name.startsWith(COST))
      throw new ArcpError('INVALID_ARGUMENT', 'charge: over the wire its name begins with cost.');
    if (!isCurrency(currency)) throw new ArcpError('INVALID_ARGUMENT', 'charge: that is not a currency');
    parseAmount(amount);
    const value = Math.min(Number.MAX_SAFE_INTEGER, Number(amount));
    return this.#ask('brief', 'metric', { name, value, unit: currency, amount }, acked);
  }

  #emitted(kind: AskKind, name: string): Promise<unknown> {
    return this.#ask(kind, 'event.emit', { name }, (answer) =>
      answer.type === 'event.emit' ? { value: answer.payload.data } : undefined,
    );
  }

  /** Resolves with the value that the job has where it goes on. */
  #handoff(to: string | HandoffRef, agent: string, options: HandoffOptions = {}): Promise<unknown> {
    const { arguments: args, artifact, leaseRequest, budget, reason, key } = options;
    const runtime = typeof to === 'string' ? { name: to } : { ...to };
    const payload = {
      runtime,
      to_runtime: runtime,
      agent,
      arguments: args,
      shared_memory_ref: artifact === undefined ? undefined : artifactId(artifact),
      lease_request: leaseRequest,
      cost_budget: budget && [...budget],
      reason,
    };
    return this.#wire.ask(
      'long',
      'agent.handoff',
      payload,
      (answer) => (answer.type === 'tool.result' ? { value: answer.payload.value } : undefined),
      key === undefined ? {} : { idempotency_key: key },
    );
  }

  /** The owner of the job may be asked for what its lease does not cover, who takes his time. */
  #mayAct(capability: string, target: string): Promise<string> {
    const asked = { permission: capability, resource: target, operation: CHECK, check_only: true };
    return this.#ask(
      'long',
      'permission.request',
      asked,
      granted(({ resource }) => resource),
    );
  }

  #useModel(model = ''): Promise<ModelChoice> {
    const asked = { permission: 'model.use', resource: model, operation: CHECK, check_only: true };
    return this.#ask(
      'brief',
      'permission.request',
      asked,
      granted(({ resource, provider = null }) => ({ model: resource, provider })),
    );
  }

  #question(prompt: string, options: AskOptions = {}): Promise<unknown> {
    const { schema = {}, default: standsIn } = options;
    const payload = {
      prompt,
      response_schema: schema,
      ...(standsIn === undefined ? {} : { default: standsIn }),
      ...this.#open(options),
    };
    return this.#ask('long', 'human.input.request', payload, (answer) => {
      if (answer.type === 'human.input.cancelled') throw ArcpError.fromPayload(answer.payload);
      return answer.type === 'human.input.response' ? { value: answer.payload.value } : undefined;
    });
  }

  #choice(prompt: string, choices: readonly Choice[], options: ChooseOptions = {}): Promise<string> {
    const { default: standsIn } = options;
    const payload = {
      prompt,
      options: [...choices],
      ...(standsIn === undefined ? {} : { default: standsIn }),
      ...this.#open(options),
    };
    return this.#ask('long', 'human.choice.request', payload, (answer) => {
      if (answer.type === 'human.input.cancelled') throw ArcpError.fromPayload(answer.payload);
      return answer.type === 'human.choice.response' ? { value: answer.payload.choice_id } : undefined;
    });
  }

  #requestPermission(request: PermissionRequest): Promise<PermissionLease> {
    const { permission, resource, operation = '', reason, leaseSeconds } = request;
    const payload = {
      permission,
      resource,
      operation,
      reason,
      ...(leaseSeconds === undefined ? {} : { requested_lease_seconds: leaseSeconds }),
      ...this.#open(request),
    };
    return this.#ask(
      'long',
      'permission.request',
      payload,
      granted(({ lease_id = '', expires_at = '' }) => ({
        leaseId: lease_id,
        permission,
        resource,
        operation,
        expiresAt: expires_at,
      })),
    );
  }

  async #requestBudget(currency: string, amount: string, request: BudgetRequest = {}): Promise<undefined> {
    const payload = {
      permission: BUDGET_PERMISSION,
      resource: `${currency}:${amount}`,
      operation: BUDGET_OPERATION,
      reason: request.reason,
      ...this.#open(request),
    };
    return this.#ask(
      'long',
      'permission.request',
      payload,
      granted(() => undefined),
    );
  }

  #open({ expiresInMs = QUESTION_MS, destination, key }: QuestionOptions) {
    return {
      expires_at: new Date(this.#wire.link.clock.now() + expiresInMs).toISOString(),
      ...(destination === undefined ? {} : { destination }),
      ...(key === undefined ? {} : { key }),
    };
  }

  async #putPart(part: AgentArtifactPart): Promise<ArtifactRef> {
    const { uploadId, bytes, offset, isLast, isResult, mediaType, retainSeconds } = part;
    const payload = {
      media_type: mediaType ?? 'application/octet-stream',
      data: encodeBase64(bytes),
      encoding: 'base64' as const,
      upload_id: uploadId,
      offset,
      more: !isLast,
      ...(isResult === true ? { is_result: true } : {}),
      ...(retainSeconds === undefined ? {} : { retain_seconds: retainSeconds }),
    };
    const ref = await this.#ask('brief', 'artifact.put', payload, (answer) =>
      answer.type === 'artifact.ref' ? { value: answer.payload.artifact } : undefined,
    );
    if (isResult === true && isLast) this.resultRef = ref;
    return ref;
  }

  #fetchPiece(id: string, offset: number): Promise<AgentArtifactPiece> {
    const payload = { artifact_id: id as Id<'artifact'>, offset, limit: PIECE_BYTES };
    return this.#ask('brief', 'artifact.fetch', payload, (answer) => {
      if (answer.type !== 'artifact.put') return undefined;
      const { artifact_id, media_type, data, sha256, size = 0, more = false } = answer.payload;
      const ref: ArtifactRef = {
        artifact_id: artifact_id ?? payload.artifact_id,
        uri: `arcp://artifacts/${artifact_id ?? id}`,
        media_type,
        size,
        sha256,
      };
      return { value: { ref, bytes: decodeBase64(data), more } };
    });
  }
}

/** Reads what a `permission.request` came to. */
function granted<T>(value: (grant: Payload<'permission.grant'>) => T): Read<T> {
  return (answer) => {
    if (answer.type === 'permission.grant') return { value: value(answer.payload) };
    if (answer.type !== 'permission.deny') return undefined;
    const { code, reason, permission, resource, operation } = answer.payload;
    // As in process: a check names the act, a request what was asked for.
    const details =
      operation === CHECK
        ? { capability: permission, target: resource }
        : { permission, resource, operation };
    throw new ArcpError(code === undefined ? 'PERMISSION_DENIED' : knownErrorCode(code), reason, { details });
  };
}
