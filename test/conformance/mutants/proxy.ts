/**
 * A runtime that is wrong in one way: a proxy before ours that rewrites frames as they pass, so that no broken code lives
 * in `src`.
 *
 * (X1) Numbers are made anew, so that a mutant which swallows or invents an event is found out for that and not for a gap;
 *      a mutant that is about the numbers says which ones it gives.
 */
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

/** What a mutant remembers of one connection, and of all of them. */
export interface Memory {
  readonly own: Map<string, unknown>;
  readonly shared: Map<string, unknown>;
  /** Frames that are on their way to the runtime, or to the client, without anybody having sent them. */
  toClient(frame: Frame): void;
  toRuntime(frame: Frame): void;
  /** Cuts the connection. */
  cut(): void;
}

export type Rewrite = (frame: Frame, memory: Memory) => readonly Frame[];

export interface Mutant {
  readonly id: string;
  /** What is wrong with it. */
  readonly does: string;
  /** The scenario that finds it out. */
  readonly caughtBy: string;
  readonly toClient?: Rewrite;
  readonly toRuntime?: Rewrite;
  /** What happens with a text that is not JSON; by default it goes on to the runtime. */
  readonly garbage?: (memory: Memory) => void;
  /** The number of the next event, from the one before it on this connection. */
  readonly nextSeq?: (last: number) => number;
  /** Where the numbers begin on a connection that resumes; by default after what its client knows. */
  readonly resumesAt?: (known: number) => number;
}

export interface Proxy extends AsyncDisposable {
  readonly url: string;
}

export async function proxyFor(mutant: Mutant, runtimeUrl: string): Promise<Proxy> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  await new Promise((resolve) => server.once('listening', resolve));
  const shared = new Map<string, unknown>();
  server.on('connection', (client) => {
    link(client, new WebSocket(runtimeUrl, { perMessageDeflate: false }), mutant, shared);
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function link(client: WebSocket, runtime: WebSocket, mutant: Mutant, shared: Map<string, unknown>): void {
  const waiting: string[] = [];
  let seq = 0;
  const nextSeq = mutant.nextSeq ?? ((last) => last + 1);
  const up = (text: string): void => {
    if (runtime.readyState === WebSocket.CONNECTING) waiting.push(text);
    else if (runtime.readyState === WebSocket.OPEN) runtime.send(text);
  };
  const down = (frame: Frame): void => {
    if (client.readyState !== WebSocket.OPEN) return;
    if (typeof frame['event_seq'] !== 'number' || frame['fixed_seq'] === true) {
      client.send(JSON.stringify(frame));
      return;
    }
    seq = nextSeq(seq);
    client.send(JSON.stringify({ ...frame, event_seq: seq }));
  };
  const memory: Memory = {
    own: new Map(),
    shared,
    toClient: down,
    toRuntime: (frame) => {
      up(JSON.stringify(frame));
    },
    cut: () => {
      client.terminate();
    },
  };
  client.on('message', (data: Buffer, isBinary) => {
    const text = data.toString('utf8');
    const frame = isBinary ? undefined : frameOf(text);
    if (frame === undefined) {
      if (mutant.garbage === undefined) up(text);
      else mutant.garbage(memory);
      return;
    }
    const known = knownTo(frame);
    if (known !== undefined) seq = mutant.resumesAt?.(known) ?? known;
    for (const one of mutant.toRuntime?.(frame, memory) ?? [frame]) up(JSON.stringify(one));
  });
  runtime.on('open', () => {
    for (const text of waiting.splice(0)) runtime.send(text);
  });
  runtime.on('message', (data: Buffer) => {
    const frame = frameOf(data.toString('utf8'));
    if (frame === undefined) return;
    for (const one of mutant.toClient?.(frame, memory) ?? [frame]) down(one);
  });
  client.on('close', () => {
    runtime.terminate();
  });
  runtime.on('close', (code, reason) => {
    if (code === 1005 || code === 1006) client.terminate();
    else client.close(code, reason);
  });
  for (const socket of [client, runtime]) socket.on('error', () => undefined);
}

/** The last event that a resuming client says it knows. */
function knownTo({ type, payload }: Frame): number | undefined {
  const asked = payload as { last_event_seq?: number; resume?: { last_event_seq?: number } } | undefined;
  if (type === 'session.resume') return asked?.last_event_seq;
  return type === 'session.hello' ? asked?.resume?.last_event_seq : undefined;
}

function frameOf(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('type' in value)) return undefined;
    return typeof value.type === 'string' ? (value as Frame) : undefined;
  } catch {
    return undefined;
  }
}
