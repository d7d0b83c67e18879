/**
 * Where clients come to: a WebSocket server on which each case has its path, `ws://…/CASE`.
 *
 * (G1) It listens on loopback only: it lets everybody in, whatever their token.
 * (G2) A case that nobody plays now begins with the first connection to its path.
 */
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { ClientCase } from './case.js';
import { Performance } from './performance.js';

/** Of one frame of a client, in bytes. */
const MAX_FRAME_BYTES = 1_572_864;

export class Stage {
  readonly url: string;
  readonly #server: WebSocketServer;
  readonly #cases: ReadonlyMap<string, ClientCase>;
  readonly #performances = new Map<string, Performance>();
  readonly #began: (performance: Performance) => void;

  private constructor(
    server: WebSocketServer,
    cases: readonly ClientCase[],
    began: (performance: Performance) => void,
  ) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#cases = new Map(cases.map((one) => [one.id, one]));
    this.#began = began;
    server.on('connection', (socket, request) => {
      // A client that dies in the middle of a frame is nobody's fault.
      socket.on('error', () => undefined);
      const id = request.url?.split('?')[0]?.slice(1) ?? '';
      const performance = this.#performances.get(id) ?? this.begin(id);
      if (performance === undefined) socket.close(1008, 'there is no case of that name');
      else performance.attach(socket);
    });
  }

  /** `began` is told of each case that a client begins. Rejects when the port cannot be had. */
  static async open(
    cases: readonly ClientCase[],
    port: number,
    began: (performance: Performance) => void = () => undefined,
  ): Promise<Stage> {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port,
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
    });
    await new Promise<void>((resolve, reject) => {
      server.once('listening', resolve);
      server.once('error', reject);
    });
    return new Stage(server, cases, began);
  }

  urlOf(id: string): string {
    return `${this.url}/${id}`;
  }

  /** The case's next performance; nothing for a case that is not there. */
  begin(id: string): Performance | undefined {
    const clientCase = this.#cases.get(id);
    if (clientCase === undefined) return undefined;
    const performance = new Performance(clientCase);
    this.#performances.set(id, performance);
    this.#began(performance);
    return performance;
  }

  /** Lets go of a performance: who comes now begins another. */
  end(performance: Performance): void {
    performance.end();
    if (this.#performances.get(performance.case.id) === performance)
      this.#performances.delete(performance.case.id);
  }

  async close(): Promise<void> {
    for (const client of this.#server.clients) client.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
