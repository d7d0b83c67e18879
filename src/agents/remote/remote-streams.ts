/** Streams that an agent opens beside its result: each message is answered with `ack` when the store has it, or refused. */
import type { Envelope, AnyEnvelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Id } from '../../protocol/ids.js';
import { isContinuous, StreamSequence, valueOfChunk } from '../../protocol/stream-chunk.js';
import type { JobStream } from '../agent.js';
import type { JobConversation } from './conversation.js';
import { acknowledge } from './link.js';

interface Open {
  readonly stream: JobStream;
  readonly sequence: StreamSequence;
}

export class RemoteStreams {
  readonly #open = new Map<string, Open>();

  open(job: JobConversation, envelope: Envelope<'stream.open'>): void {
    const streamId = idOf(envelope);
    const { kind, content_type: contentType } = envelope.payload;
    const { maxChunkBytes, maxStreamBytes } = job.limits;
    const stream = job.ctx.openStream({
      kind,
      streamId,
      ...(contentType === undefined ? {} : { contentType }),
      ...(isContinuous(kind) ? { chunkBytes: maxChunkBytes } : {}),
    });
    this.#open.set(streamId, {
      stream,
      sequence: new StreamSequence(kind, { maxChunkBytes, maxStreamBytes }),
    });
    stream.once('close', () => this.#open.delete(streamId));
    stream.on('error', (error) => {
      // Its agent ended it itself, or a client did.
      if (this.#open.delete(streamId) && !job.isOver)
        job.say('stream.error', ArcpError.from(error).toPayload(), { streamId });
    });
    acknowledge(job, envelope);
  }

  chunk(job: JobConversation, envelope: Envelope<'stream.chunk'>): void {
    const { stream, sequence } = this.#find(envelope);
    const bytes = sequence.check(envelope.payload);
    const value = valueOfChunk(sequence.kind, envelope.payload);
    job.act(envelope, {
      kind: 'brief',
      work: () => settled(stream, (done) => stream.write(value, done)),
      done: () => {
        acknowledge(job, envelope);
      },
    });
    sequence.count(bytes);
  }

  close(job: JobConversation, envelope: Envelope<'stream.close'>): void {
    const { stream, sequence } = this.#find(envelope);
    sequence.close(envelope.payload);
    job.act(envelope, {
      kind: 'brief',
      work: () => settled(stream, (done) => stream.once('error', done).end(done)),
      done: () => {
        acknowledge(job, envelope);
      },
    });
  }

  fail(job: JobConversation, envelope: Envelope<'stream.error'>): void {
    const { stream } = this.#find(envelope);
    this.#open.delete(idOf(envelope));
    stream.destroy(ArcpError.fromPayload(envelope.payload));
    acknowledge(job, envelope);
  }

  #find(envelope: AnyEnvelope): Open {
    const streamId = idOf(envelope);
    const open = this.#open.get(streamId);
    if (open !== undefined) return open;
    throw new ArcpError('NOT_FOUND', `stream_id: no stream ${streamId} of this job is open`);
  }
}

function idOf({ stream_id: streamId }: AnyEnvelope): Id<'stream'> {
  if (streamId === undefined) throw new ArcpError('INVALID_ARGUMENT', 'stream_id: missing');
  return streamId;
}

function settled(stream: JobStream, act: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    act((error) => {
      if (error === undefined || error === null) resolve();
      else reject(stream.errored ?? error);
    });
  });
}
