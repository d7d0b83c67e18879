/**
 * A process as a worker: the conversation of `agents/remote` as one JSON object a line, on its stdin and stdout.
 *
 * What whoever writes an agent needs to know:
 *
 *   The process reads one line from stdin: `{"type":"tool.invoke","id":…,"job_id":…,"payload":{"arguments":…,…}}`.
 *   It writes lines to stdout, each a JSON object with `type`, `job_id` and `payload`, and flushes each:
 *     {"type":"job.progress","payload":{"current":1,"total":3,"message":"counting"}}
 *     {"type":"log","payload":{"level":"info","message":"…"}}
 *     {"type":"job.heartbeat","payload":{"sequence":1,"deadline_ms":60000,"state":"running"}}
 *     {"type":"metric","payload":{"name":"cost.tokens","value":0.25,"unit":"USD"}}        (a charge: answered by ack or nack)
 *     {"type":"job.completed","payload":{"value":…}}    or    {"type":"job.failed","payload":{"code":"NOT_FOUND","message":"…"}}
 *   and then reads the next line (a pool) or ends. A line `{"type":"cancel",…}` asks it to stop; the end of stdin does too.
 *   What it writes to stderr goes to the job's log. Everything else that agents may say is in PROTOCOL.md.
 *
 * (L1) `arcp`, `id`, `timestamp` and `payload` may be left out, and `job_id` too in a process that does one job and ends.
 *      `job.started` is taken as said with the first thing that needs it.
 * (L2) A line that is no message changes nothing: it is refused by a `nack` on stdin and told in the job's log (L6). One that
 *      is too long, or not UTF-8, ends the process, since where the next one begins is not known any more; so do very many.
 * (L3) It is read as fast as the store takes what it says, and written to as fast as it reads: one that reads nothing is
 *      ended when more than `hardBufferBytes` wait for it (L7).
 * (L4) A stopped job's process is told so by a line; `TERM_AFTER_MS` later it is sent TERM, and then KILL.
 * (L5) A process that ends before its job's end fails the job, with its exit code and what it printed last.
 * (L6) Only a process that ended its job by itself, and has said nothing since, is given another.
 */
import type { Clock, Timer } from '../../clock.js';
import { encodeEnvelope, PROTOCOL_VERSION, type AnyEnvelope, type Refusal } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import { ID_PREFIXES, type MessageId } from '../../protocol/ids.js';
import { streamTransport } from '../../transport/stdio.js';
import { CLOSE_CODES, type Transport, type TransportEnd } from '../../transport/transport.js';
import type { JobContext, ProcessLimits } from '../agent.js';
import type { JobConversation } from '../remote/conversation.js';
import { Conversations } from '../remote/conversations.js';
import { isAnswer, type AgentLink, type ToAgent } from '../remote/link.js';
import { isLegal, isAgentMessage } from '../remote/stages.js';
import type { AgentProcess } from './agent-process.js';
import { failureOf } from './process-end.js';
import { readLine } from './worker-line.js';

/** From the line that asks it to stop until TERM. */
const TERM_AFTER_MS = 1_000;
/** That a process has to end by itself when it has nothing more to do. */
const LEAVE_MS = 2_000;
/** Of what it says until it is waited for that the store has it. */
const UNFLUSHED_LINES = 1_024;
/** Lines of one job that are no messages; one that writes more of them does not speak this language. */
const MAX_REFUSED_LINES = 10_000;
const UNFLUSHED_UNITS = 256 * 1_024;

export interface WorkerOptions {
  /** `name@version`, for messages. */
  readonly agent: string;
  readonly limits: ProcessLimits;
  readonly clock: Clock;
  /** Whether it may be given further jobs. */
  readonly serves: 'one' | 'many';
  readonly takesInput: boolean;
  /** Is told that it has said its first, or that it is there no more. */
  readonly woke: () => void;
}

interface Assignment {
  readonly ctx: JobContext;
  readonly conversation: JobConversation;
  hasStarted: boolean;
}

export class ProcessWorker implements AgentLink {
  readonly #process: AgentProcess;
  readonly #options: WorkerOptions;
  readonly #transport: Transport;
  readonly #conversations: Conversations;
  #assignment: Assignment | undefined;
  /** What it did that ends it, where that is known before it has ended. */
  #fault: ArcpError | undefined;
  #isAwake = false;
  #isSoiled = false;
  #patience: Timer | undefined;
  #refused = 0;
  #lines = 0;
  #units = 0;
  #nextId = 1;
  #unready: (() => void)[] = [];

  constructor(process: AgentProcess, options: WorkerOptions) {
    this.#process = process;
    this.#options = options;
    const { maxFrameBytes } = options.limits;
    this.#transport = streamTransport(process.stdout, process.stdin, { maxFrameBytes });
    this.#conversations = new Conversations(this, options.limits);
    this.#transport.start({
      message: (line) => {
        this.#heard(line);
      },
      drained: () => {
        this.#letReady();
      },
      closed: (end) => {
        this.#closed(end);
      },
    });
    void process.ended.then((end) => {
      this.#patience?.cancel();
      this.#wake();
      this.#letReady();
      const failure = this.#fault ?? failureOf(end, options.agent, process.printed.last);
      this.#fail(failure);
    });
  }

  /** Whether it can be given a job (L6). */
  get isIdle(): boolean {
    return this.#assignment === undefined && !this.#isSoiled && this.#process.isAlive;
  }

  /** Resolves when it has ended and its folder is gone. */
  get gone(): Promise<void> {
    return this.#process.gone;
  }

  /** Does a job. Rejects with why it fails. */
  async work(input: unknown, ctx: JobContext): Promise<unknown> {
    this.#process.printed.reset();
    const conversation = this.#conversations.begin(input, ctx, this.#options.takesInput);
    this.#assignment = { ctx, conversation, hasStarted: false };
    this.#refused = this.#lines = this.#units = 0;
    const stop = (): void => {
      this.#isSoiled = true;
      this.#endWithin(TERM_AFTER_MS);
    };
    if (ctx.signal.aborted) stop();
    ctx.signal.addEventListener('abort', stop, { once: true });
    try {
      return await conversation.outcome;
    } finally {
      ctx.signal.removeEventListener('abort', stop);
      this.#process.printed.flush();
      this.#assignment = undefined;
    }
  }

  /** Has it end: by the end of its input, and by signals where it does not take that. */
  dismiss(): void {
    this.#isSoiled = true;
    this.#transport.close(CLOSE_CODES.normal, '');
    this.#endWithin(LEAVE_MS);
  }

  /** Ends it at once. */
  kill(): void {
    this.#isSoiled = true;
    this.#process.kill();
  }

  /** Takes a line that it printed beside. */
  print(line: string): void {
    try {
      this.#assignment?.ctx.log('info', line, { source: 'process' });
    } catch {
      // The job is ending because of what it says.
    }
  }

  now(): number {
    return this.#options.clock.now();
  }

  send({ type, payload, jobId, correlationId, streamId, traceId }: ToAgent): MessageId {
    const id = this.#newId();
    const envelope = {
      arcp: PROTOCOL_VERSION,
      id,
      type,
      timestamp: this.#timestamp(),
      ...(jobId === undefined ? {} : { job_id: jobId }),
      ...(streamId === undefined ? {} : { stream_id: streamId }),
      ...(traceId === undefined ? {} : { trace_id: traceId }),
      ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
      payload,
    } as AnyEnvelope;
    this.#transport.send(encodeEnvelope(envelope));
    const { hardBufferBytes } = this.#options.limits;
    if (this.#transport.buffered > hardBufferBytes) {
      const message = `${this.#options.agent} does not read: more than ${hardBufferBytes} bytes wait for it`;
      this.#giveUp(new ArcpError('BACKPRESSURE_OVERFLOW', message));
    }
    return id;
  }

  ready(): Promise<void> {
    if (this.#transport.buffered < this.#options.limits.softBufferBytes) return Promise.resolve();
    return new Promise((resolve) => this.#unready.push(resolve));
  }

  #letReady(): void {
    const waiting = this.#unready;
    this.#unready = [];
    for (const resolve of waiting) resolve();
  }

  #newId(): MessageId {
    return `${ID_PREFIXES.message}_${this.#nextId++}`;
  }

  #timestamp(): string {
    return new Date(this.now()).toISOString();
  }

  #heard(line: string): void {
    this.#wake();
    const assignment = this.#assignment;
    if (assignment === undefined) {
      this.#isSoiled = true;
      return;
    }
    this.#pace(assignment, line.length);
    const { jobId } = assignment.conversation;
    const read = readLine(line, this.#options.limits.maxNesting, () => ({
      id: this.#newId(),
      timestamp: this.#timestamp(),
      jobId: this.#options.serves === 'one' ? jobId : undefined,
    }));
    if (read.ok && read.envelope.job_id !== undefined) {
      if (read.envelope.job_id === jobId) this.#imply(assignment, read.envelope);
      this.#conversations.receive(read.envelope, line.length);
    } else {
      this.#refuse(assignment, read.ok ? noJob(read.envelope) : read.refusal, line);
    }
  }

  #wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#options.woke();
  }

  /** (L2) */
  #refuse({ conversation }: Assignment, refusal: Refusal, line: string): void {
    this.#refused += 1;
    if (this.#refused > MAX_REFUSED_LINES) {
      const message = `stdout: more than ${MAX_REFUSED_LINES} lines are no messages`;
      this.#giveUp(new ArcpError('INVALID_ARGUMENT', message));
      return;
    }
    conversation.refuse(refusal);
    const words = line.length > 200 ? `${line.slice(0, 200).toWellFormed()}…` : line;
    this.#process.printed.say(`${words} (stdout, ${refusal.message})`);
  }

  /** (L1) */
  #imply(assignment: Assignment, { type, ...envelope }: AnyEnvelope): void {
    if (assignment.hasStarted || type === 'job.accepted') return;
    if (type !== 'job.started') {
      if (isAnswer({ type, ...envelope } as AnyEnvelope) || !isAgentMessage(type)) return;
      if (isLegal(type, 'invoked') || !isLegal(type, 'started')) return;
      const payload = { job_id: assignment.conversation.jobId };
      const { arcp, timestamp, job_id } = envelope;
      const started = { arcp, timestamp, id: this.#newId(), type: 'job.started', payload } as const;
      assignment.conversation.receive(job_id === undefined ? started : { ...started, job_id });
    }
    assignment.hasStarted = true;
  }

  /** (L3) */
  #pace({ ctx }: Assignment, units: number): void {
    this.#lines += 1;
    this.#units += units;
    if (this.#lines < UNFLUSHED_LINES && this.#units < UNFLUSHED_UNITS) return;
    this.#lines = this.#units = 0;
    const { stdout } = this.#process;
    stdout.pause();
    const goOn = (): void => {
      stdout.resume();
    };
    ctx.flushed().then(goOn, goOn);
  }

  #closed({ code, reason }: TransportEnd): void {
    if (code === CLOSE_CODES.messageTooBig)
      this.#giveUp(new ArcpError('RESOURCE_EXHAUSTED', `stdout: ${reason}`, { retryable: false }));
    else if (code === CLOSE_CODES.invalidText)
      this.#giveUp(new ArcpError('INVALID_ARGUMENT', `stdout: ${reason}`));
    // It has usually ended, and that is about to be known.
    else this.#endWithin(LEAVE_MS);
  }

  #giveUp(fault: ArcpError): void {
    this.#fault ??= fault;
    this.#isSoiled = true;
    this.#process.stop();
    this.#fail(fault);
  }

  #fail(error: ArcpError): void {
    this.#isSoiled = true;
    const conversation = this.#assignment?.conversation;
    if (conversation?.isOver === false) conversation.close(error);
  }

  #endWithin(ms: number): void {
    this.#patience?.cancel();
    if (!this.#process.isAlive) return;
    this.#patience = this.#options.clock.timer(ms, () => {
      this.#process.stop();
    });
  }
}

function noJob({ id, type }: AnyEnvelope): Refusal {
  const message = 'job_id: missing, expected that of tool.invoke';
  return { kind: 'malformed', code: 'INVALID_ARGUMENT', message, id, type, optional: false };
}
