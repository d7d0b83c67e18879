/**
 * The messages of one attempt at a job, on the side of whoever does it: what is said and asked, and what answers it.
 *
 * (W1) Everything that is said carries the id of the invocation, and has an id of the attempt's own: what comes back for an
 *      earlier attempt is none of this one's.
 * (W2) Once the attempt is over nothing is said any more, and what waits for an answer is told so.
 * (W3) What is asked at once is bounded below the runtime's `maxRemoteActs`: more waits here.
 */
import { nanoid } from 'nanoid';
import type { OutboundMessage } from '../client/command.js';
import type { AnyEnvelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES, type JobId, type MessageId } from '../protocol/ids.js';
import type { MessageType, Payload } from '../protocol/messages.js';
import type { RuntimeLink } from './link.js';
import { Slots } from './slots.js';

/** `brief`: the runtime answers by itself, and the end of the job waits until it was asked. `long`: others may take their time. */
export type AskKind = 'brief' | 'long';

export type About = Partial<Pick<OutboundMessage, 'stream_id' | 'idempotency_key' | 'correlation_id'>>;

/** What an answer says; nothing for one that is not the answer. Throws what refuses. */
export type Read<T> = (answer: AnyEnvelope) => { readonly value: T } | undefined;

interface Asked {
  /** Whether nothing more is waited for. */
  take(answer: AnyEnvelope): boolean;
  reject(error: ArcpError): void;
}

export class JobWire {
  readonly jobId: JobId;
  readonly link: RuntimeLink;
  readonly #invokeId: MessageId;
  readonly #prefix = `${ID_PREFIXES.message}_${nanoid(12)}.` as const;
  readonly #asked = new Map<MessageId, Asked>();
  readonly #slots: Readonly<Record<AskKind, Slots>> = { brief: new Slots(128), long: new Slots(96) };
  #said = 0;
  #over: ArcpError | undefined;

  constructor(jobId: JobId, invokeId: MessageId, link: RuntimeLink) {
    this.jobId = jobId;
    this.link = link;
    this.#invokeId = invokeId;
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  say<T extends MessageType>(type: T, payload: Payload<T>, about: About = {}): MessageId {
    const id: MessageId = `${this.#prefix}${this.#said++}`;
    if (this.isOver) return id;
    this.link.send(id, {
      type,
      payload,
      job_id: this.jobId,
      correlation_id: this.#invokeId,
      ...about,
    });
    return id;
  }

  /**
   * Says something that is answered, and resolves with what `read` makes of the answer.
   * @param follow takes what else answers it; whether that is all
   */
  async ask<T extends MessageType, V>(
    kind: AskKind,
    type: T,
    payload: Payload<T>,
    read: Read<V>,
    { follow, ...about }: About & { readonly follow?: (answer: AnyEnvelope) => boolean } = {},
  ): Promise<V> {
    const slots = this.#slots[kind];
    this.#refuseWhenOver();
    await slots.take();
    try {
      this.#refuseWhenOver();
      return await new Promise<V>((resolve, reject) => {
        const id = this.say(type, payload, about);
        this.#asked.set(id, {
          reject,
          take: (answer) => {
            try {
              if (answer.type === 'nack') throw ArcpError.fromPayload(answer.payload);
              const result = read(answer);
              if (result === undefined) return false;
              resolve(result.value);
              if (follow === undefined) return true;
              this.#asked.set(id, { take: follow, reject: () => undefined });
              return false;
            } catch (error) {
              reject(ArcpError.from(error));
              return true;
            }
          },
        });
      });
    } finally {
      slots.release();
    }
  }

  /** Whether this answers something that was said in this attempt. */
  isOwn(correlationId: MessageId | undefined): boolean {
    return correlationId?.startsWith(this.#prefix) === true;
  }

  isInvocation(correlationId: MessageId | undefined): boolean {
    return correlationId === this.#invokeId;
  }

  /** Whether somebody waited for it. */
  answer(correlationId: MessageId, answer: AnyEnvelope): boolean {
    const asked = this.#asked.get(correlationId);
    if (asked === undefined) return false;
    if (asked.take(answer)) this.#asked.delete(correlationId);
    return true;
  }

  /** Its answer will not be understood. */
  unreadable(correlationId: MessageId, error: ArcpError): void {
    this.#asked.get(correlationId)?.reject(error);
    this.#asked.delete(correlationId);
  }

  /** Resolves once all that was asked, and is answered by the runtime itself, was said. */
  allSaid(): Promise<void> {
    return this.#slots.brief.idle();
  }

  /** (W2) */
  close(error: ArcpError): void {
    if (this.isOver) return;
    this.#over = error;
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
    for (const slots of Object.values(this.#slots)) slots.close(error);
  }

  #refuseWhenOver(): void {
    if (this.#over !== undefined) throw this.#over;
  }
}
