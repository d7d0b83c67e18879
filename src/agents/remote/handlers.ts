/** What becomes of each message of an agent, but for those that begin and end its attempt. */
import type { AnyEnvelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { JobConversation } from './conversation.js';
import { handOver } from './remote-handoff.js';
import { fetchArtifact, putArtifact, releaseArtifact } from './remote-artifacts.js';
import { answerEmitted, askChoice, askInput, askPermission, callTool } from './remote-questions.js';
import { beat, keepCheckpoint, note, passChunk, progress, settleSoFar, tell } from './telling.js';

/** Acts on the message of an agent that is legal now. Throws what refuses it. */
export function actOn(job: JobConversation, envelope: AnyEnvelope): void {
  switch (envelope.type) {
    case 'job.heartbeat':
      beat(job, envelope);
      return;
    case 'job.progress':
      progress(job, envelope);
      return;
    case 'job.result_chunk':
      passChunk(job, envelope);
      return;
    case 'job.checkpoint':
      keepCheckpoint(job, envelope);
      return;
    case 'metric':
      note(job, envelope);
      return;
    case 'log':
      tell(job, envelope);
      return;
    case 'ping':
      settleSoFar(job, envelope);
      return;
    case 'event.emit':
      answerEmitted(job, envelope);
      return;
    case 'tool.invoke':
      callTool(job, envelope);
      return;
    case 'agent.delegate':
      job.children.delegate(job, envelope);
      return;
    case 'job.subscribe':
      if (envelope.payload.limit === undefined) job.children.sendResult(job, envelope);
      else job.children.sendEvents(job, envelope);
      return;
    case 'job.unsubscribe':
      job.children.forget(envelope.payload.job_id);
      return;
    case 'agent.handoff':
      handOver(job, envelope);
      return;
    case 'cancel':
      job.cancelFrom(envelope);
      return;
    case 'permission.request':
      askPermission(job, envelope);
      return;
    case 'human.input.request':
      askInput(job, envelope);
      return;
    case 'human.choice.request':
      askChoice(job, envelope);
      return;
    case 'artifact.put':
      putArtifact(job, envelope);
      return;
    case 'artifact.fetch':
      fetchArtifact(job, envelope);
      return;
    case 'artifact.release':
      releaseArtifact(job, envelope);
      return;
    case 'stream.open':
      job.streams.open(job, envelope);
      return;
    case 'stream.chunk':
      job.streams.chunk(job, envelope);
      return;
    case 'stream.close':
      job.streams.close(job, envelope);
      return;
    case 'stream.error':
      job.streams.fail(job, envelope);
      return;
    default:
      throw new ArcpError('UNIMPLEMENTED', `${envelope.type} is no part of the conversation about a job`);
  }
}
