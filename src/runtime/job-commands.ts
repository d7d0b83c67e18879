/** The commands that start work and stop it: `tool.invoke`, `workflow.start`, `agent.delegate`, `cancel`. */
import type { AnyEnvelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import { OPT_IN } from '../protocol/extensions.js';
import { isId, MAX_ID_LENGTH } from '../protocol/ids.js';
import { CLOSE_CODES } from '../transport/transport.js';
import type { Command } from './command.js';
import { HANDOFF_AGENT } from './handoff/handoff-agent.js';
import { targetOf } from './handoff/terms.js';
import type { JobRequest } from './intake.js';
import { askedIn, type Asked } from './job-terms.js';
import { refuse as refuseLater } from './later-answer.js';
import { ownJob } from './own-job.js';
import { childArguments } from './submission.js';

/** What every command that starts work says alike. In one piece: this is done for every job. */
function requestOf(
  { id, trace_id, priority, idempotency_key }: AnyEnvelope,
  agent: string,
  args: unknown,
  asked: Asked,
): JobRequest {
  return {
    agent,
    arguments: args,
    ...askedIn(asked),
    priority: priority ?? 'normal',
    traceId: trace_id,
    correlationId: id,
    causationId: undefined,
    idempotencyKey: idempotency_key,
    parent: undefined,
    delegateId: undefined,
  };
}

export const invoke: Command<'tool.invoke'> = ({ engine, session }, envelope) => {
  const { payload } = envelope;
  engine.intake.submit(session, requestOf(envelope, payload.tool, payload.arguments, payload));
};

export const startWorkflow: Command<'workflow.start'> = ({ engine, session }, envelope) => {
  const { payload } = envelope;
  const { workflow, arguments: args = {} } = payload;
  engine.sessions.optIn(session, OPT_IN.workflow);
  engine.intake.submit(session, { ...requestOf(envelope, workflow, args, payload), asWorkflow: true });
};

export const delegate: Command<'agent.delegate'> = ({ engine, session }, envelope) => {
  const { payload } = envelope;
  const { target, task, context, delegate_id, on_parent_end } = payload;
  const delegateId = delegate_id ?? envelope.id;
  engine.sessions.optIn(session, OPT_IN.delegate);
  const parent =
    envelope.job_id === undefined ? undefined : ownJob(engine.jobs, session.principal, envelope.job_id);
  const run = parent && engine.jobs.run(parent);
  if (parent !== undefined) {
    if (run === undefined)
      throw new ArcpError('FAILED_PRECONDITION', `job ${parent.id} has ended: it cannot delegate any more`);
    run.refuseChildren();
  }
  engine.intake.submit(session, {
    ...requestOf(envelope, target, childArguments(task, context), payload),
    priority: envelope.priority ?? parent?.origin.priority ?? 'normal',
    traceId: envelope.trace_id ?? parent?.origin.traceId ?? traceOf(context),
    parent,
    delegateId,
    onParentEnd: on_parent_end,
    announces: () => run?.hear('agent.delegate', JSON.stringify({ ...payload, delegate_id: delegateId }), {}),
  });
};

/** A job that begins here and goes on in another runtime. One that runs already is handed over by its agent. */
export const handoff: Command<'agent.handoff'> = ({ engine, session }, envelope) => {
  const { payload } = envelope;
  const { runtime, agent, reason, shared_memory_ref, arguments: args, job_id } = payload;
  if (envelope.job_id !== undefined || job_id !== undefined) {
    throw new ArcpError(
      'FAILED_PRECONDITION',
      'a job that runs is handed over by its agent, not by a client',
    );
  }
  if (agent === undefined)
    throw new ArcpError('INVALID_ARGUMENT', 'payload.agent: missing, expected whom to ask there');
  targetOf(engine.carrier, runtime);
  engine.sessions.optIn(session, OPT_IN.handoff);
  const handed = { runtime, agent, arguments: args, shared_memory_ref, reason };
  engine.intake.submit(session, requestOf(envelope, HANDOFF_AGENT, handed, payload));
};

/** `context.trace_id`, where a context has one that may be one (decision 5, RFC 0001 §14). */
function traceOf(context: unknown): string | undefined {
  if (typeof context !== 'object' || context === null || !('trace_id' in context)) return undefined;
  const { trace_id: traceId } = context;
  if (typeof traceId !== 'string' || traceId === '' || traceId.length > MAX_ID_LENGTH) return undefined;
  return traceId.isWellFormed() ? traceId : undefined;
}

/** Refusals of `cancel`, in the words that clients compare (RFC 0001 §10.4, decision 8). */
type CancelRefusal = 'not_found' | 'permission_denied' | 'already_terminal';

const STREAM_REFUSALS = {
  ended: 'already_terminal',
  foreign: 'permission_denied',
  unknown: 'not_found',
} as const satisfies Record<string, CancelRefusal>;

export const cancel: Command<'cancel'> = (scene, envelope) => {
  const { engine, session, peer } = scene;
  const { target, target_id, reason, deadline_ms } = envelope.payload;
  const reply = { sessionId: session.id, correlationId: envelope.id };
  const refuse = (why: CancelRefusal): void => {
    engine.logger.info({ session: session.id, target, reason: why }, 'cancel refused');
    peer.reply({ ...reply, type: 'cancel.refused', payload: { target, target_id, reason: why } });
  };
  const accept = (): void => {
    peer.reply({ ...reply, type: 'cancel.accepted', payload: { target, target_id } });
  };
  const deadlineMs = Math.min(
    deadline_ms ?? engine.limits.cancelDeadlineMs,
    engine.limits.maxCancelDeadlineMs,
  );
  switch (target) {
    case 'job': {
      const job = isId('job', target_id) ? engine.jobs.find(target_id) : undefined;
      if (job === undefined) refuse('not_found');
      else if (job.origin.principal !== session.principal) refuse('permission_denied');
      else if (job.isOver) refuse('already_terminal');
      else {
        accept();
        engine.jobs.run(job)?.stop({ kind: 'cancel', reason }, deadlineMs);
      }
      break;
    }
    case 'session':
      if (target_id !== session.id) {
        refuse(engine.sessions.isOpen(target_id) ? 'permission_denied' : 'not_found');
        break;
      }
      accept();
      engine.jobs.stopAllOf(session, { kind: 'cancel', reason }, deadlineMs);
      peer.reply({
        type: 'session.evicted',
        payload: { code: 'CANCELLED', reason: 'CANCELLED', message: reason ?? 'cancelled on request' },
        sessionId: session.id,
      });
      engine.sessions.end(session);
      peer.close(CLOSE_CODES.normal, 'the session was cancelled');
      break;
    case 'schedule': {
      const record = engine.schedules.find(target_id);
      if (record === undefined) refuse('not_found');
      else if (record.requester.principal !== session.principal) refuse('permission_denied');
      else {
        engine.schedules.cancel(target_id).then(
          (cancelled) => {
            if (cancelled) accept();
            else refuse('already_terminal');
          },
          (error: unknown) => {
            refuseLater(scene, envelope, error);
          },
        );
      }
      break;
    }
    case 'stream': {
      const found = engine.streams.find(session.principal, target_id);
      if (found.kind !== 'open') {
        refuse(STREAM_REFUSALS[found.kind]);
        break;
      }
      accept();
      found.stream.stop(new ArcpError('CANCELLED', reason ?? 'the stream was cancelled'));
      break;
    }
  }
};
