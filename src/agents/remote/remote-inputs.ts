/**
 * Streams that clients open into the job, passed on to its agent: `stream.open`, chunks and `stream.close`, as fast as the
 * agent acknowledges them. An agent that wants no more of one sends `cancel` with target `stream`.
 */
import { ArcpError } from '../../protocol/errors.js';
import type { Id } from '../../protocol/ids.js';
import { chunkOfValue, StreamSequence } from '../../protocol/stream-chunk.js';
import type { InputStream, JobContext } from '../agent.js';
import type { RemoteJob } from './link.js';

/** Chunks of one stream that the agent has not acknowledged. */
const WINDOW = 4;

export class RemoteInputs {
  readonly #job: RemoteJob;
  readonly #open = new Map<Id<'stream'>, AsyncIterator<unknown, undefined>>();
  #isLeft = false;

  constructor(job: RemoteJob) {
    this.#job = job;
  }

  start(input: JobContext['input']): void {
    void this.#passOn(input);
  }

  /** Whether this was one that is open. What the agent has not seen of it is not for it any more. */
  cancel(id: string): boolean {
    const values = this.#open.get(id as Id<'stream'>);
    if (values === undefined) return false;
    this.#open.delete(id as Id<'stream'>);
    void Promise.resolve(values.return?.()).catch(() => undefined);
    return true;
  }

  leave(): void {
    this.#isLeft = true;
    for (const id of [...this.#open.keys()]) this.cancel(id);
  }

  async #passOn(input: JobContext['input']): Promise<void> {
    try {
      for await (const stream of input) {
        if (this.#isLeft) return;
        void this.#feed(stream);
      }
    } catch {
      // The job was stopped: its agent is told by `cancel`.
    }
  }

  async #feed(stream: InputStream): Promise<void> {
    const { id: streamId, kind, contentType } = stream;
    const values = stream[Symbol.asyncIterator]();
    this.#open.set(streamId, values);
    const job = this.#job;
    const { maxChunkBytes, maxStreamBytes } = job.limits;
    const sequence = new StreamSequence(kind, { maxChunkBytes, maxStreamBytes });
    const unacknowledged: Promise<unknown>[] = [];
    const more = contentType === undefined ? {} : { content_type: contentType };
    try {
      await job.answerTo(job.say('stream.open', { kind, ...more }, { streamId }));
      for (;;) {
        const step = await values.next();
        if (!this.#open.has(streamId)) return;
        if (step.done === true) break;
        const chunk = { sequence: sequence.next, ...chunkOfValue(kind, step.value) };
        sequence.count(0);
        unacknowledged.push(job.answerTo(job.say('stream.chunk', chunk, { streamId })));
        if (unacknowledged.length >= WINDOW) await unacknowledged.shift();
      }
      await Promise.all(unacknowledged);
      job.say('stream.close', sequence.closing, { streamId });
    } catch (error) {
      // Its sender failed it, or the agent refused it.
      if (this.#open.has(streamId) && !this.#isLeft)
        job.say('stream.error', ArcpError.from(error).toPayload(), { streamId });
      void Promise.resolve(values.return?.()).catch(() => undefined);
    } finally {
      this.#open.delete(streamId);
    }
  }
}
