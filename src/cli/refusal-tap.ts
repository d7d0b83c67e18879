/**
 * For `--json`: the frame with which a runtime refused, exactly as it came. A refusal has no job, so that the events of
 * a job cannot show it, and the client makes an error of it.
 */
import type { Dial } from '../client/index.js';
import type { Transport } from '../transport/transport.js';
import { dialWebSocket } from '../transport/websocket-client.js';

const REFUSALS: ReadonlySet<unknown> = new Set([
  'session.rejected',
  'session.unauthenticated',
  'job.failed',
  'nack',
]);

export class RefusalTap {
  /** The last refusal, as text. */
  refusal: string | undefined;
  #open = true;

  readonly dial: Dial = async (url, options) => {
    const transport = await dialWebSocket(url, options);
    return this.#open ? this.#tapped(transport) : transport;
  };

  /** Stops looking, and forgets: once there is a job, its events tell everything. */
  close(): void {
    this.#open = false;
    this.refusal = undefined;
  }

  #tapped(transport: Transport): Transport {
    return {
      send: (frame) => transport.send(frame),
      get buffered() {
        return transport.buffered;
      },
      close: (code, reason) => transport.close(code, reason),
      start: (handlers) =>
        transport.start({
          message: (frame) => {
            if (this.#open) this.#look(frame);
            handlers.message(frame);
          },
          closed: (end) => handlers.closed(end),
        }),
    };
  }

  #look(frame: string): void {
    try {
      const { type } = JSON.parse(frame) as { readonly type?: unknown };
      if (REFUSALS.has(type)) this.refusal = frame;
    } catch {
      // The client says what is wrong with it.
    }
  }
}
