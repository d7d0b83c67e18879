/**
 * The commands of people: answers to what jobs ask, and interrupts. An answer is acknowledged when the store has it; a
 * wrong one, or one that comes too late, is refused and changes nothing (L6). Whose job it is may answer (decision 10).
 */
import type { Envelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import { OPT_IN } from '../../protocol/extensions.js';
import { ID_PREFIXES, type MessageId } from '../../protocol/ids.js';
import type { Command, CommandScene } from '../command.js';
import type { Engine } from '../engine.js';
import type { JobRun } from '../job-run.js';
import { placeOf } from '../message-places.js';
import { ownJob } from '../own-job.js';
import { TRUST } from '../trust.js';
import { expiresAt } from './asking.js';
import { fieldsOf, type OpenQuestion } from './job-questions.js';
import { granted, refuseGrant } from './permissions.js';
import type { Answer } from './question.js';

export const answerInput: Command<'human.input.response'> = (scene, envelope) => {
  takesQuestions(scene);
  const { run, question } = askedQuestion(scene, envelope);
  take(scene, envelope, run, question, {
    type: 'human.input.response',
    payload: { value: envelope.payload.value, ...by(scene) },
  });
};

export const answerChoice: Command<'human.choice.response'> = (scene, envelope) => {
  takesQuestions(scene);
  const { run, question } = askedQuestion(scene, envelope);
  take(scene, envelope, run, question, {
    type: 'human.choice.response',
    payload: { choice_id: envelope.payload.choice_id, ...by(scene) },
  });
};

/** Somebody will not answer: the agent is told so, and an interrupted job goes on. */
export const withdraw: Command<'human.input.cancelled'> = (scene, envelope) => {
  takesQuestions(scene);
  const { run, question } = askedQuestion(scene, envelope);
  const { code, message } = envelope.payload;
  if (code === 'OK') throw new ArcpError('INVALID_ARGUMENT', 'code: OK is no reason not to answer');
  take(scene, envelope, run, question, {
    type: 'human.input.cancelled',
    payload: { code, message: message === '' ? 'somebody chose not to answer' : message },
  });
};

/** What an interrupt asks that says nothing itself. */
const WHAT_NOW = 'The job was interrupted. What should it know?';

/** Pauses a job and asks on its behalf (RFC 0001 §10.5). Acknowledged when the question is there to be answered. */
export const interrupt: Command<'interrupt'> = (scene, { id, payload }) => {
  const { engine, session } = scene;
  const { target, target_id, prompt } = payload;
  if (target !== 'job') {
    throw new ArcpError('UNIMPLEMENTED', `a ${target} cannot be interrupted here: interrupt its jobs`);
  }
  const job = ownJob(engine.jobs, session.principal, target_id);
  const run = engine.jobs.run(job);
  if (run?.isRunning !== true) {
    throw new ArcpError('FAILED_PRECONDITION', `job ${job.id} is not running: there is nothing to interrupt`);
  }
  const request = {
    type: 'human.input.request',
    payload: {
      prompt: prompt === '' ? WHAT_NOW : prompt,
      response_schema: {},
      expires_at: expiresAt(undefined, engine),
    },
  } as const;
  run.questions.interrupt(request, id, acknowledgement(scene, id));
  engine.logger.info({ session: session.id, job: job.id }, 'job interrupted');
};

/** Gives the job what it asks to be allowed; see `permissions.ts` for who may give what. */
export const grant: Command<'permission.grant'> = (scene, envelope) => {
  const { engine, session } = scene;
  const { payload } = envelope;
  const { run, question } = askedPermission(scene, envelope);
  const request = run.questions.checked(question.id, { type: 'permission.grant', payload });
  if (request.type !== 'permission.request') return;
  refuseGrant(request.payload.permission, run.job, session.principal, session.identity.trust);
  const fields = fieldsOf(run.job, question.id, envelope.id);
  const { answer, whenKept } = granted(run, engine, request.payload, payload, session.principal, fields);
  take(scene, envelope, run, question, answer, whenKept);
};

export const deny: Command<'permission.deny'> = (scene, envelope) => {
  const { run, question } = askedPermission(scene, envelope);
  const { payload } = envelope;
  const request = run.questions.checked(question.id, { type: 'permission.deny', payload });
  if (request.type !== 'permission.request') return;
  const { permission, resource, operation } = request.payload;
  const { reason } = payload;
  take(scene, envelope, run, question, {
    type: 'permission.deny',
    payload: { permission, resource, operation, reason },
  });
};

/** Whoever sends `human.*` can read it (decision 17). */
function takesQuestions({ engine, session }: CommandScene): void {
  engine.sessions.optIn(session, OPT_IN.human);
}

/** Who answered, and when: the runtime's word, not the client's. */
function by({ engine, session }: CommandScene): { responded_by: string; responded_at: string } {
  return { responded_by: session.principal, responded_at: engine.timestamps.now() };
}

type FromClient = Envelope<
  | 'human.input.response'
  | 'human.choice.response'
  | 'human.input.cancelled'
  | 'permission.grant'
  | 'permission.deny'
>;

interface Asked {
  readonly run: JobRun;
  readonly question: OpenQuestion;
}

/**
 * The question that an answer correlates to. Throws INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, or
 * FAILED_PRECONDITION where it is no longer open.
 */
function askedQuestion({ engine, session }: CommandScene, envelope: FromClient): Asked {
  return asked(engine, session.principal, envelope);
}

/** The same for permissions, which somebody who approves may answer whosever job it is (T1). */
function askedPermission({ engine, session }: CommandScene, envelope: FromClient): Asked {
  const { approves } = TRUST[session.identity.trust];
  return asked(engine, approves ? undefined : session.principal, envelope);
}

function asked(engine: Engine, principal: string | undefined, { correlation_id: id }: FromClient): Asked {
  if (id === undefined) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      'correlation_id: expected the id of the question that this answers',
    );
  }
  const run = runOf(engine, principal, id);
  return { run, question: run.questions.find(id) };
}

/** @param principal whose job it must be; nothing for whoever answers for all */
function runOf(engine: Engine, principal: string | undefined, questionId: string): JobRun {
  const place = placeOf(questionId);
  const noSuch = (): ArcpError => new ArcpError('NOT_FOUND', 'there is no such question');
  if (place === undefined) throw noSuch();
  const jobId = `${ID_PREFIXES.job}_${place.owner}`;
  const job =
    principal === undefined ? engine.jobs.find(jobId) : ownJob(engine.jobs, principal, jobId, noSuch);
  if (job === undefined) throw noSuch();
  const run = engine.jobs.run(job);
  if (run === undefined)
    throw new ArcpError('FAILED_PRECONDITION', `job ${job.id} has ended: nobody waits for an answer`);
  if (run.askedQuestions === undefined) throw noSuch();
  return run;
}

/** Takes the answer, and acknowledges it once the store has it (L2). */
function take(
  scene: CommandScene,
  { id }: { readonly id: MessageId },
  run: JobRun,
  question: OpenQuestion,
  answer: Answer,
  whenKept: () => void = () => undefined,
): void {
  const acknowledge = acknowledgement(scene, id);
  run.questions.answer(question.id, answer, id, (error) => {
    if (error === undefined) whenKept();
    acknowledge(error);
  });
  scene.engine.logger.info(
    { session: scene.session.id, job: run.job.id, question: question.id, type: answer.type },
    'question answered',
  );
}

/** What tells a session that its command was taken, or that the store refused it. */
function acknowledgement({ engine, session }: CommandScene, id: MessageId): (error?: ArcpError) => void {
  const answered = { sessionId: session.id, correlationId: id };
  return (error) => {
    if (error === undefined) {
      const payload = { ack_for: id, received_at: engine.timestamps.now() };
      session.peer?.reply({ ...answered, type: 'ack', payload });
    } else {
      session.peer?.reply({ ...answered, type: 'nack', payload: { ...error.toPayload(), ack_for: id } });
    }
  };
}
