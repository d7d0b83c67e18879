/**
 * Dials a WebSocket, in Node through `ws` and in a browser through its own `WebSocket`.
 * Neither `ws` nor anything of Node is loaded before it is known where this runs.
 */
import { ArcpError } from '../protocol/errors.js';
import { locationOf, unreachable } from './dial-failure.js';
import type { Transport } from './transport.js';

export interface DialOptions {
  /** Bytes of one inbound frame. Default 1.5 MiB; a larger one closes the connection with 1009. */
  readonly maxFrameBytes?: number | undefined;
  /** Sent with the handshake. A browser cannot, and refuses them with INVALID_ARGUMENT. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Gives the attempt up, with CANCELLED. It has no part in the connection once there is one. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the attempt is given up. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
}

/** What the two ways to dial are given: rejects with the signal's reason when it is aborted. */
export interface Dial {
  readonly url: URL;
  readonly maxFrameBytes: number;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly signal: AbortSignal;
}

/**
 * Resolves once the WebSocket is open. Rejects with UNAVAILABLE and the reason in words when it cannot be; a refusal
 * that would come again (HTTP 4xx) is not `retryable`. Errors name the address without credentials and query.
 */
export async function dialWebSocket(address: string | URL, options: DialOptions = {}): Promise<Transport> {
  const url = parseAddress(address);
  const { connectTimeoutMs = 10_000, maxFrameBytes = 1_572_864, headers } = options;
  const attempt = new AbortController();
  const cancel = (): void => {
    const message = `gave up connecting to ${locationOf(url)}`;
    attempt.abort(new ArcpError('CANCELLED', message, { cause: options.signal?.reason }));
  };
  if (options.signal?.aborted === true) cancel();
  options.signal?.addEventListener('abort', cancel);
  const timeout = setTimeout(() => {
    attempt.abort(unreachable(url, `no answer within ${connectTimeoutMs} ms`));
  }, connectTimeoutMs);
  try {
    const dial = isNode()
      ? (await import('./websocket-dial-node.js')).dialNode
      : (await import('./websocket-dial-browser.js')).dialBrowser;
    attempt.signal.throwIfAborted();
    return await dial({ url, maxFrameBytes, headers, signal: attempt.signal });
  } finally {
    clearTimeout(timeout);
    options.signal?.removeEventListener('abort', cancel);
  }
}

/** The text itself is not repeated in the error: it may hold a password. */
function parseAddress(address: string | URL): URL {
  const url = URL.canParse(String(address)) ? new URL(address) : undefined;
  if (url?.protocol !== 'ws:' && url?.protocol !== 'wss:') {
    throw new ArcpError('INVALID_ARGUMENT', 'the address is not a ws:// or wss:// URL');
  }
  if (url.hash !== '')
    throw new ArcpError('INVALID_ARGUMENT', 'the address has a fragment (#), which no socket has');
  return url;
}

/** Whether this is Node and not a browser. */
export function isNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  return process?.versions?.node !== undefined;
}
