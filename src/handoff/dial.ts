/** How jobs get to other runtimes: through our own client, one session for each job that is handed over. */
import { connect, type Client } from '../client/index.js';
import type { TokenSource } from '../client/index.js';
import { Backoff, DEFAULT_RECONNECT } from '../client/backoff.js';
import { systemClock } from '../clock.js';
import { ArcpError, isFingerprint, OPT_IN } from '../protocol/index.js';
import type { Carrier, HandoffTarget, Line, RemoteJob, RemoteRequest } from '../runtime/handoff/carrier.js';

/** A runtime that jobs may be handed over to, and what lets this one in there. */
export interface HandoffRuntime extends HandoffTarget {
  /**
   * Shown to nobody else. Without one the session there is anonymous, and a job that was handed over fails where its session is
   * lost or this runtime starts again: a stranger does not find it.
   */
  readonly token?: TokenSource;
}

const NOBODY = 'nobody answers questions of a job that was handed over';

/** Throws INVALID_ARGUMENT where two have the same name, or one has what is no fingerprint. */
export function handoffCarrier(runtimes: readonly HandoffRuntime[]): Carrier {
  const tokens = new Map(runtimes.map(({ name, token }) => [name, token]));
  if (tokens.size !== runtimes.length) {
    throw new ArcpError('INVALID_ARGUMENT', 'two runtimes to hand over to have the same name');
  }
  for (const { name, fingerprint } of runtimes) {
    if (isFingerprint(fingerprint)) continue;
    throw new ArcpError('INVALID_ARGUMENT', `the fingerprint of the runtime ${name} is none: sha256:…`);
  }
  return {
    targets: runtimes.map(({ name, url, fingerprint, kind }) => ({ name, url, fingerprint, kind })),
    async connect(target, signal, again) {
      const token = tokens.get(target.name);
      const dial = (): Promise<Client> =>
        connect(target.url, {
          expectFingerprint: target.fingerprint,
          signal,
          ...(token === undefined ? {} : { token }),
          // Questions there find nobody who could answer.
          capabilities: { human_input: false, extensions: [OPT_IN.identity] },
        });
      const client = await (again ? untilReached(dial, signal) : dial());
      const { kind } = client.session.runtime;
      if (target.kind !== undefined && target.kind !== kind) {
        await client.close();
        throw new ArcpError(
          'FAILED_PRECONDITION',
          `the runtime ${target.name} is of kind ${kind}, not ${target.kind}`,
        );
      }
      return new ClientLine(client, token !== undefined);
    },
  };
}

/** Tries as often as a client that has lost its connection. What another try does not change ends it. */
async function untilReached(dial: () => Promise<Client>, signal: AbortSignal): Promise<Client> {
  const backoff = new Backoff(DEFAULT_RECONNECT, Math.random);
  for (;;) {
    try {
      return await dial();
    } catch (error) {
      const { code } = ArcpError.from(error);
      const delay = code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED' ? backoff.next() : undefined;
      if (delay === undefined || signal.aborted) throw error;
      await pause(delay, signal);
    }
  }
}

/** Shorter where the signal aborts: what follows finds that out. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = systemClock.timer(ms, over);
    signal.addEventListener('abort', over);
  });
}

class ClientLine implements Line {
  readonly findsAgain: boolean;
  readonly #client: Client;

  constructor(client: Client, findsAgain: boolean) {
    this.#client = client;
    this.findsAgain = findsAgain;
  }

  putArtifact(...[source, mediaType]: Parameters<Line['putArtifact']>): ReturnType<Line['putArtifact']> {
    return this.#client.artifacts.put(source, { mediaType });
  }

  fetchArtifact(ref: Parameters<Line['fetchArtifact']>[0]): ReturnType<Line['fetchArtifact']> {
    return this.#client.artifacts.fetch(ref);
  }

  async start({ agent, arguments: args, maxRuntimeMs, ...options }: RemoteRequest): Promise<RemoteJob> {
    const job = await this.#client.invoke(agent, args, {
      ...options,
      ...(maxRuntimeMs === undefined ? {} : { maxRuntimeMs }),
    });
    const events = job[Symbol.asyncIterator]();
    void drain(job.chunks());
    void refuseQuestions(job.questions());
    return {
      id: job.id,
      events: { [Symbol.asyncIterator]: () => events },
      cancel: (reason) => job.cancel({ reason }).catch(() => undefined),
    };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

/** The chunks are taken from the events: what the client gathers of them beside is let go. */
async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _ of chunks);
  } catch {
    // Whoever reads the events is told.
  }
}

async function refuseQuestions(
  questions: ReturnType<Awaited<ReturnType<Client['invoke']>>['questions']>,
): Promise<void> {
  try {
    for await (const question of questions) await question.decline(NOBODY);
  } catch {
    // Whoever reads the events is told.
  }
}
