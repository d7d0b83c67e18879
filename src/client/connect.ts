import { ArcpError, OPT_IN, type Capabilities, type Payload } from '../protocol/index.js';
import type { Transport } from '../transport/transport.js';
import { dialWebSocket } from '../transport/websocket-client.js';
import { VERSION } from '../version.js';
import { ExpectedIdentity } from './expected-identity.js';
import { Backoff, DEFAULT_RECONNECT, type ReconnectPolicy } from './backoff.js';
import { Client } from './client.js';
import type { TokenSource } from './handshake.js';
import type { HostingPort } from './hosting.js';
import { systemClock, type Clock } from '../clock.js';
import { clientLimits, type ClientLimits } from './limits.js';
import { ClientSession } from './session.js';

/** Who this client says it is, unless told otherwise. */
export const CLIENT_INFO = { kind: 'arcp-runtime', version: VERSION } as const;

export type Dial = (url: string, options: { readonly signal: AbortSignal }) => Promise<Transport>;

export interface ConnectOptions {
  /**
   * The bearer token, or a function that gives the one that counts now: it is called for each new session, and when the
   * runtime asks for the token that replaced the first. Without one the session is anonymous.
   */
  readonly token?: TokenSource;
  /** What the runtime is told of the client. Default `CLIENT_INFO`. */
  readonly clientInfo?: { readonly kind: string; readonly version: string };
  /** Replaces single entries of the default: streaming, durable jobs, artifacts, delegation, and questions to people. */
  readonly capabilities?: Capabilities;
  /** Answers a `session.challenge`. Without it a challenged session is UNAUTHENTICATED. */
  readonly respond?: (challenge: Payload<'session.challenge'>) => string | Promise<string>;
  /**
   * The runtime that has to be at the other end, by its fingerprint (`sha256:…`): one that does not prove to be it, at
   * every connection anew, is UNAUTHENTICATED. It has been shown the token by then: keep strangers off by TLS.
   */
  readonly expectFingerprint?: string;
  /** How to come back after a lost connection; `false` closes the client instead. */
  readonly reconnect?: Partial<ReconnectPolicy> | false;
  /** Gives up connecting. It has no part in the client once there is one. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<ClientLimits>;
  /** Makes the connections. Default: a WebSocket, in a browser the browser's own. */
  readonly dial?: Dial;
  /** For tests: time, and numbers in [0, 1) for the jitter. */
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * Connects to a runtime and opens a session. One attempt: rejects with the runtime's error when it refuses the
 * session, UNAVAILABLE when it cannot be reached, DEADLINE_EXCEEDED after `connectTimeoutMs` and CANCELLED when
 * `signal` is aborted. Afterwards the client reconnects by itself, see `reconnect`.
 *
 * @example
 * const client = await connect('ws://127.0.0.1:7777', { token });
 */
export async function connect(url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return new Client(await openSession(url, options), options.clock ?? systemClock);
}

/** The session of a client, or of whoever hosts agents. Rejects like `connect`. */
export async function openSession(
  url: string | URL,
  options: ConnectOptions,
  hosting?: HostingPort,
): Promise<ClientSession> {
  const {
    token,
    clock = systemClock,
    signal,
    dial = dialWebSocket,
    reconnect,
    random = Math.random,
    expectFingerprint,
  } = options;
  const expected = expectFingerprint === undefined ? undefined : new ExpectedIdentity(expectFingerprint);
  if (signal?.aborted === true) throw aborted(signal);
  const session = new ClientSession(
    {
      dial: (dialOptions) => dial(String(url), dialOptions),
      credentials: {
        token,
        client: options.clientInfo ?? CLIENT_INFO,
        capabilities: {
          streaming: true,
          durable_jobs: true,
          human_input: true,
          interrupt: true,
          artifacts: true,
          ...(token === undefined ? { anonymous: true } : {}),
          extensions: [
            OPT_IN.delegate,
            OPT_IN.handoff,
            OPT_IN.human,
            ...(expected === undefined ? [] : [OPT_IN.identity]),
            OPT_IN.workflow,
            OPT_IN.agents,
          ],
          ...options.capabilities,
        },
      },
      respond: options.respond,
      backoff: reconnect === false ? undefined : new Backoff({ ...DEFAULT_RECONNECT, ...reconnect }, random),
      limits: clientLimits(options.limits),
      clock,
      expected,
    },
    hosting,
  );
  const abort = (): void => {
    if (signal !== undefined) void session.close(aborted(signal));
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await session.ready;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  return session;
}

function aborted(signal: AbortSignal): ArcpError {
  return new ArcpError('CANCELLED', 'connecting was aborted', { cause: signal.reason });
}
