/** What a client may command once its session is open: one handler per message type. */
import type { AnyEnvelope } from '../protocol/envelope.js';
import type { MessageType } from '../protocol/messages.js';
import { fetchArtifact, putArtifact, releaseArtifact } from './artifact-commands.js';
import type { Command, CommandScene } from './command.js';
import { createCheckpoint, restoreCheckpoint } from './checkpoint-commands.js';
import { cancel, delegate, handoff, invoke, startWorkflow } from './job-commands.js';
import {
  answerChoice,
  answerInput,
  deny,
  grant,
  interrupt,
  withdraw,
} from './questions/question-commands.js';
import { listSchedules, schedule } from './schedule-commands.js';
import { close, ping, sessionPing } from './session-commands.js';
import { authenticateAgain } from './standing.js';
import { backpressure, closeInput, failInput, feedInput, openInput } from './stream-commands.js';
import { refreshLease, revokeLease } from './lease-commands.js';
import {
  listing,
  resume,
  sessionAck,
  subscribe,
  unsubscribe,
  unwatchJob,
  watchJob,
} from './watch-commands.js';

/** Refuses by throwing an `ArcpError`, which becomes a `nack`. */
export function commandFor(
  type: MessageType,
): ((scene: CommandScene, envelope: AnyEnvelope) => void) | undefined {
  return COMMANDS.get(type) as ((scene: CommandScene, envelope: AnyEnvelope) => void) | undefined;
}

/** Answers and acknowledgements that ask for nothing. */
const note: Command = () => undefined;

const nacked: Command<'nack'> = ({ engine, session }, { payload }) => {
  engine.logger.info(
    { session: session.id, code: payload.code, reason: payload.message },
    'the client sent a nack',
  );
};

const COMMANDS: ReadonlyMap<MessageType, Command<never>> = new Map<MessageType, Command<never>>([
  ['tool.invoke', invoke],
  ['workflow.start', startWorkflow],
  ['agent.delegate', delegate],
  ['agent.handoff', handoff],
  ['cancel', cancel],
  ['human.input.response', answerInput],
  ['human.choice.response', answerChoice],
  ['human.input.cancelled', withdraw],
  ['interrupt', interrupt],
  ['permission.grant', grant],
  ['permission.deny', deny],
  ['checkpoint.create', createCheckpoint],
  ['checkpoint.restore', restoreCheckpoint],
  ['ping', ping],
  ['session.ping', sessionPing],
  ['session.close', close],
  ['session.authenticate', authenticateAgain],
  ['pong', note],
  ['session.pong', note],
  ['ack', note],
  ['session.ack', sessionAck],
  ['session.list_jobs', listing],
  ['job.schedule', schedule],
  ['session.list_schedules', listSchedules],
  ['job.subscribe', watchJob],
  ['job.unsubscribe', unwatchJob],
  ['subscribe', subscribe],
  ['unsubscribe', unsubscribe],
  ['resume', resume],
  ['artifact.put', putArtifact],
  ['artifact.fetch', fetchArtifact],
  ['artifact.release', releaseArtifact],
  ['backpressure', backpressure],
  ['stream.open', openInput],
  ['stream.chunk', feedInput],
  ['stream.close', closeInput],
  ['stream.error', failInput],
  ['lease.refresh', refreshLease],
  ['lease.revoked', revokeLease],
  ['nack', nacked],
]);
