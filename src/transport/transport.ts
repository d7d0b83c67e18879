/**
 * What the runtime and the client need of a connection: whole text frames in both directions.
 * WebSocket, newline-delimited stdio and an in-memory pair implement it, and one suite runs over all of them.
 *
 * (T1) Frames arrive whole and in order. A frame over `maxFrameBytes` is never delivered.
 * (T2) `send` never blocks and never throws; frames sent in one turn of the event loop are written together.
 *      After the close it does nothing.
 * (T3) `closed` is called exactly once, whoever closed, and nothing is called after it. Once `close` was called, no
 *      frame is delivered any more. The end that is told is the first one that this side knew of: its own `close`,
 *      the peer's, or 1006.
 * (T4) Frames sent before `close` are written before the close.
 */
export interface Transport {
  /** Queues one text frame. */
  send(frame: string): void;
  /** Bytes accepted by `send` that the operating system has not taken yet. */
  readonly buffered: number;
  /** Flushes what was sent and closes. `reason` is cut to what the transport can carry (WebSocket: 123 bytes). */
  close(code: CloseCode, reason: string): void;
  /** Begins delivery. Called once; frames that came before are delivered first. */
  start(handlers: TransportHandlers): void;
}

export interface TransportHandlers {
  message(frame: string): void;
  /** A WebSocket binary frame, which ARCP has no use for: it is there to be refused by name (L6). Else ignored. */
  binary?(bytes: Uint8Array): void;
  /**
   * The operating system has taken everything that `send` was given, whether or not it had kept up until then. A browser
   * cannot tell and never calls it.
   */
  drained?(): void;
  closed(end: TransportEnd): void;
}

/** How a connection ended: `code` is a WebSocket close code (1006 when it just broke). */
export interface TransportEnd {
  readonly code: number;
  readonly reason: string;
}

/** The WebSocket close codes (RFC 6455 §7.4) that we send. Transports without codes keep them for `TransportEnd`. */
export const CLOSE_CODES = {
  normal: 1000,
  goingAway: 1001,
  unsupportedData: 1003,
  invalidText: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  tryAgainLater: 1013,
} as const;

export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES];
