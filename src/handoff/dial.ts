/** How jobs get to other runtimes: through our own client, one session for each job that is handed over. */
import { connect, type Client } from '../client/index.js';
import type { TokenSource } from '../client/index.js';
import { ArcpError, OPT_IN } from '../protocol/index.js';
import type { Carrier, HandoffTarget, Line, RemoteJob, RemoteRequest } from '../runtime/handoff/carrier.js';

/** A runtime that jobs may be handed over to, and what lets this one in there. */
export interface HandoffRuntime extends HandoffTarget {
  /** Shown to nobody else. Without one the session there is anonymous. */
  readonly token?: TokenSource;
}

const NOBODY = 'nobody answers questions of a job that was handed over';

/** Throws INVALID_ARGUMENT where two have the same name. */
export function handoffCarrier(runtimes: readonly HandoffRuntime[]): Carrier {
  const tokens = new Map(runtimes.map(({ name, token }) => [name, token]));
  if (tokens.size !== runtimes.length) {
    throw new ArcpError('INVALID_ARGUMENT', 'two runtimes to hand over to have the same name');
  }
  return {
    targets: runtimes.map(({ name, url, fingerprint, kind }) => ({ name, url, fingerprint, kind })),
    async connect(target, signal) {
      const token = tokens.get(target.name);
      const client = await connect(target.url, {
        expectFingerprint: target.fingerprint,
        signal,
        ...(token === undefined ? {} : { token }),
        // Questions there find nobody who could answer.
        capabilities: { human_input: false, extensions: [OPT_IN.identity] },
      });
      const { kind } = client.session.runtime;
      if (target.kind !== undefined && target.kind !== kind) {
        await client.close();
        throw new ArcpError(
          'FAILED_PRECONDITION',
          `the runtime ${target.name} is of kind ${kind}, not ${target.kind}`,
        );
      }
      return new ClientLine(client);
    },
  };
}

class ClientLine implements Line {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  putArtifact(...[source, mediaType]: Parameters<Line['putArtifact']>): ReturnType<Line['putArtifact']> {
    return this.#client.artifacts.put(source, { mediaType });
  }

  fetchArtifact(ref: Parameters<Line['fetchArtifact']>[0]): ReturnType<Line['fetchArtifact']> {
    return this.#client.artifacts.fetch(ref);
  }

  async start({ agent, arguments: args, ...options }: RemoteRequest): Promise<RemoteJob> {
    const job = await this.#client.invoke(agent, args, options);
    const events = job[Symbol.asyncIterator]();
    void drain(job.chunks());
    void refuseQuestions(job.questions());
    return {
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
