/**
 * The agent `command`: runs `metadata.command`, an argv, in the task's workspace, and answers with how it ended. Its
 * heartbeats are those of the process, with what was measured of it: none is sent for one that is not there.
 */
import { mkdir } from 'node:fs/promises';
import { defineAgent } from '../../agents/define-agent.js';
import type { Agent, JobContext, Json } from '../../agents/agent.js';
import type { Clock, Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { taskOrder, type TaskOrder } from '../manager/task-order.js';
import { keepEvidence, type EvidenceStore } from '../scoring/evidence.js';
import { COMMAND_AGENT } from '../spec/task-rules.js';
import { MARK } from '../hosts/stragglers.js';
import { Redactor, type Secret } from '../secrets/secret.js';
import { SECRET } from '../trust/task-lease.js';
import { isVariableName } from '../workspace/environment.js';
import { unmetRequirement } from '../workspace/requirements.js';
import { taskEnvironment } from './environment.js';
import { runCommand } from './run-command.js';
import { taskWalls } from './task-walls.js';
import { UsageMeter } from './usage.js';

export interface CommandAgentOptions {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where what commands write is kept. Default: with the job's runtime, as artifacts. */
  readonly evidence?: EvidenceStore | undefined;
  /** What this process was handed for the tasks of one run. Default: nothing, and tasks of every run are done. */
  readonly handed?: HandedTo | undefined;
}

/** What a worker has for the tasks of its run. */
export interface HandedTo {
  /** The job whose children alone are done. */
  readonly run: string;
  /** By name. A task is given those that its lease names, as variables. */
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly redactor: Redactor;
}

export function commandAgent(options: CommandAgentOptions): Agent {
  return defineAgent({
    name: COMMAND_AGENT,
    version: '1.0.0',
    description: 'Runs a command of a fleet task in its workspace.',
    heartbeat: 'manual',
    input: taskOrder,
    run: (order, ctx) => run(order, ctx, options),
  });
}

async function run(
  { spec, place }: TaskOrder,
  ctx: JobContext,
  { clock, env, evidence, handed }: CommandAgentOptions,
): Promise<{ readonly exit_code: number }> {
  if (handed !== undefined && handed.run !== ctx.parentJobId)
    throw new ArcpError('PERMISSION_DENIED', 'this worker does the tasks of its run, and no others');
  const argv = commandOf(spec.metadata['command']);
  const redactor = handed?.redactor ?? new Redactor();
  const { workspace } = place;
  if (handed !== undefined) await prepared(spec, place, env);
  const beat = heartbeats(ctx, clock);
  try {
    const walls = await taskWalls(ctx.lease, ctx.profile, workspace);
    const outcome = await runCommand({
      argv,
      workspace,
      env: {
        ...taskEnvironment(spec, env),
        ...secretVariables(ctx, handed),
        ...markOf(process.env),
        ARCP_FLEET_FOLDER: place.folder,
      },
      walls,
      maxOutputBytes: DEFAULT_FLEET_LIMITS.maxEvidenceBytes,
      clock,
      signal: ctx.signal,
      started: beat.measure,
      line: (text) => {
        ctx.log('info', redactor.redact(text.toWellFormed()));
      },
    });
    if (outcome.kind === 'cannot_start')
      throw new ArcpError('FAILED_PRECONDITION', redactor.redact(outcome.reason));
    for (const bytes of [outcome.stdout, outcome.stderr]) {
      if (bytes.byteLength === 0) continue;
      ctx.emit('artifact_ref', await kept(redactor.redactBytes(bytes), ctx, evidence));
    }
    ctx.signal.throwIfAborted();
    if (outcome.kind === 'killed') {
      const message = `the command was ended by ${outcome.signal}`;
      throw new ArcpError('INTERNAL', message, { retryable: true });
    }
    ctx.summarize(`exit code ${outcome.code}`);
    return { exit_code: outcome.code };
  } finally {
    beat.stop();
  }
}

/** Whoever runs the fleet may be on another machine, and has looked there. */
async function prepared(
  spec: TaskOrder['spec'],
  { workspace, folder }: TaskOrder['place'],
  env: CommandAgentOptions['env'],
): Promise<void> {
  const fault = await unmetRequirement(spec, workspace, env);
  if (fault !== undefined) throw new ArcpError('FAILED_PRECONDITION', fault);
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** Of the secrets that this process has, those that the task's lease names and that can be a variable. */
function secretVariables(ctx: JobContext, handed: HandedTo | undefined): Record<string, string> {
  const { capabilities } = ctx.lease;
  const named = Object.hasOwn(capabilities, SECRET) ? (capabilities[SECRET] ?? []) : [];
  return Object.fromEntries(
    [...(handed?.secrets ?? [])].flatMap(([name, secret]) =>
      (named.includes('**') || named.includes(name)) && isVariableName(name)
        ? [[name, secret.reveal()] as const]
        : [],
    ),
  );
}

/** What this process is known by is what its commands are known by. */
function markOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const mark = env[MARK];
  return mark === undefined ? {} : { [MARK]: mark };
}

/** How a receipt refers to what was written, wherever that is. */
async function kept(bytes: Uint8Array, ctx: JobContext, evidence: EvidenceStore | undefined): Promise<Json> {
  const what = { kind: 'log', mimeType: 'text/plain' };
  if (evidence === undefined) {
    const { uri, size, sha256 = null } = await ctx.artifact(bytes, { mediaType: what.mimeType });
    return { kind: what.kind, path: uri, sha256, mime_type: what.mimeType, size_bytes: size };
  }
  const { kind, path, checksum, mime_type, size_bytes } = await keepEvidence(evidence, bytes, what);
  return { kind, path, checksum, mime_type, size_bytes };
}

function commandOf(command: unknown): readonly string[] {
  const isArgv = Array.isArray(command) && command.every((word) => typeof word === 'string');
  if (isArgv && command.length > 0) return command;
  throw new ArcpError('INVALID_ARGUMENT', 'metadata.command: expected a command and its arguments');
}

/** From the start of a command to its first heartbeat, in milliseconds: most are over by then. */
const FIRST_BEAT_MS = 2_000;

interface Heartbeats {
  /** From now on they tell what this process uses. */
  readonly measure: (pid: number) => void;
  readonly stop: () => void;
}

function heartbeats(ctx: JobContext, clock: Clock): Heartbeats {
  let timer: Timer | undefined;
  let meter: UsageMeter | undefined;
  let isOver = false;
  const beat = async (): Promise<void> => {
    const usage = await meter?.measure();
    if (isOver) return;
    if (usage !== undefined) {
      ctx.metric('cpu_percent', usage.cpuPercent);
      ctx.metric('memory_mb', usage.memoryMb);
    }
    ctx.heartbeat();
    arm(ctx.heartbeatMs / 2);
  };
  const arm = (ms: number): void => {
    timer = clock.timer(ms, () => void beat());
  };
  arm(Math.min(FIRST_BEAT_MS, ctx.heartbeatMs / 2));
  return {
    measure: (pid) => {
      meter = new UsageMeter(pid, clock);
    },
    stop: () => {
      isOver = true;
      timer?.cancel();
    },
  };
}
