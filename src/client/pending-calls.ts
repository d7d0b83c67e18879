/**
 * Commands that wait: for their answer, or for a connection to go out on.
 *
 * (P1) Every call settles: by its answer, a `nack`, its deadline, its signal, or the end of its session.
 * (P2) A settled call is forgotten, but for the ids of those given up after they were sent: their late answer may
 *      have started a job that nobody wants (`takeAbandoned`), so the latest 1,024 of them are remembered.
 * (P3) Calls share one time limit, so the oldest call is the first to be due and one timer serves all.
 */
import { ArcpError, type AnyEnvelope, type MessageId } from '../protocol/index.js';
import type { Clock, Timer } from '../clock.js';
import {
  encodeBody,
  exceedsBytes,
  newMessageId,
  type Answer,
  type Command,
  type FrameBody,
} from './command.js';
import type { ClientLimits } from './limits.js';

interface Call {
  readonly type: string;
  readonly body: FrameBody;
  readonly repeat: 'same-id' | 'fresh-id';
  readonly due: number;
  id: MessageId;
  sends: number;
  /** Whether the envelope settled the call. */
  readonly answer: (envelope: AnyEnvelope, size: number) => boolean;
  readonly reject: (error: ArcpError) => void;
}

const MAX_ABANDONED = 1_024;
/** Room that `encodeFrame` needs beside the body: version, id and session id. */
const FRAME_HEAD_BYTES = 1_024;

export class PendingCalls {
  readonly #limits: ClientLimits;
  readonly #clock: Clock;
  readonly #transmit: (id: MessageId, body: FrameBody) => boolean;
  readonly #calls = new Map<MessageId, Call>();
  readonly #abandoned = new Set<MessageId>();
  #timer: Timer | undefined;

  /** `transmit` sends a frame if there is an open session, and says whether there was. */
  constructor(limits: ClientLimits, clock: Clock, transmit: (id: MessageId, body: FrameBody) => boolean) {
    this.#limits = limits;
    this.#clock = clock;
    this.#transmit = transmit;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Sends the command now, or as soon as there is a session, and resolves with what its answer means. */
  issue<T>(command: Command<T>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { type } = command.message;
      if (signal?.aborted === true) throw abortError(type, signal);
      if (this.#calls.size >= this.#limits.maxPendingCalls) {
        throw new ArcpError('RESOURCE_EXHAUSTED', `${this.#calls.size} commands are waiting for an answer`);
      }
      const now = this.#clock.now();
      const body = encodeBody(command.message, now);
      if (exceedsBytes(body, this.#limits.maxFrameBytes - FRAME_HEAD_BYTES)) {
        throw new ArcpError(
          'INVALID_ARGUMENT',
          `${type} is larger than a frame may be (${this.#limits.maxFrameBytes} bytes)`,
        );
      }
      const abort = (): void => {
        if (signal !== undefined) this.#giveUp(call, abortError(type, signal));
      };
      const settled = (): void => {
        this.#calls.delete(call.id);
        signal?.removeEventListener('abort', abort);
      };
      const call: Call = {
        type,
        body,
        repeat: command.repeat,
        due: now + this.#limits.callTimeoutMs,
        id: newMessageId(),
        sends: 0,
        answer: (envelope, size) => {
          const answer =
            envelope.type === 'nack'
              ? refusalOf(command, ArcpError.fromPayload(envelope.payload), call.sends)
              : command.read(envelope, size);
          if (answer.kind === 'unrelated') return false;
          settled();
          if (answer.kind === 'resolved') resolve(answer.value);
          else reject(answer.error);
          return true;
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#calls.set(call.id, call);
      this.#timer ??= this.#clock.timer(this.#limits.callTimeoutMs, () => this.#expire());
      this.#send(call);
    });
  }

  /** Whether the envelope answered a call. */
  answer(envelope: AnyEnvelope, size: number): boolean {
    const { correlation_id } = envelope;
    if (correlation_id === undefined) return false;
    return this.#calls.get(correlation_id)?.answer(envelope, size) ?? false;
  }

  /** Ends the call with this id, whose answer could not be read. */
  reject(id: MessageId, error: ArcpError): void {
    this.#calls.get(id)?.reject(error);
  }

  /** Whether `id` was sent and then given up; forgets it. */
  takeAbandoned(id: MessageId): boolean {
    return this.#abandoned.delete(id);
  }

  /** Sends what waits, again what was sent before; for a session that was opened or resumed. */
  sendAll(): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) {
      if (call.sends > 0 && call.repeat === 'fresh-id') call.id = newMessageId();
      this.#calls.set(call.id, call);
    }
    for (const call of calls) {
      if (call.sends < this.#limits.maxSends) this.#send(call);
      else
        call.reject(
          new ArcpError('UNAVAILABLE', `${call.type} was sent ${call.sends} times without an answer`),
        );
    }
  }

  /** Ends the calls whose answer can no longer come: those that were sent, or of those the ones repeated so. */
  rejectSent(error: ArcpError, repeat?: Call['repeat']): void {
    for (const call of [...this.#calls.values()]) {
      if (call.sends > 0 && (repeat ?? call.repeat) === call.repeat) call.reject(error);
    }
  }

  rejectAll(error: ArcpError): void {
    for (const call of [...this.#calls.values()]) call.reject(error);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #send(call: Call): void {
    if (this.#transmit(call.id, call.body)) call.sends += 1;
  }

  #giveUp(call: Call, error: ArcpError): void {
    if (call.sends > 0) {
      this.#abandoned.add(call.id);
      for (const oldest of this.#abandoned) {
        if (this.#abandoned.size <= MAX_ABANDONED) break;
        this.#abandoned.delete(oldest);
      }
    }
    call.reject(error);
  }

  #expire(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const call of [...this.#calls.values()]) {
      if (call.due > now) {
        this.#timer = this.#clock.timer(call.due - now, () => this.#expire());
        return;
      }
      const waited = call.sends > 0 ? 'was not answered' : 'could not be sent for want of a connection';
      this.#giveUp(
        call,
        new ArcpError('DEADLINE_EXCEEDED', `${call.type} ${waited} within ${this.#limits.callTimeoutMs} ms`),
      );
    }
  }
}

function refusalOf<T>(command: Command<T>, error: ArcpError, sends: number): Answer<T> {
  return (sends > 1 ? command.refusedRepeat?.(error) : undefined) ?? { kind: 'refused', error };
}

function abortError(type: string, signal: AbortSignal): ArcpError {
  return new ArcpError('CANCELLED', `${type} was aborted`, { cause: signal.reason });
}
