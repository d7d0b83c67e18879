/**
 * The artifacts of the client's principal: put, fetched and released, part by part over the same session as everything
 * else.
 *
 * (F1) A lost connection costs nothing: the parts of an artifact have a name in common and say where they belong, so
 *      that one whose answer did not come is sent again and not doubled.
 * (F2) The content is hashed on the way, here and at the runtime; what does not fit its hash is refused or DATA_LOSS.
 * (F3) At most `artifactPartsInFlight` parts are sent without an answer, over all artifacts: a fast source waits (L7).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { nanoid } from 'nanoid';
import {
  ArcpError,
  cutParts,
  encodeBase64,
  isId,
  type AnyEnvelope,
  type ArtifactRef,
  type ArtifactSource,
  type CutPart,
  type Payload,
} from '../protocol/index.js';
import type { Answer, Command } from './command.js';
import { FetchedArtifact } from './fetched-artifact.js';
import type { ClientLimits } from './limits.js';
import { Turns } from './turns.js';

export interface PutArtifactOptions {
  /** Default `application/octet-stream`; of text `text/plain; charset=utf-8`. */
  readonly mediaType?: string;
  /** How long it is to be kept, up to what the runtime advertises; its default otherwise. */
  readonly retainSeconds?: number;
  readonly signal?: AbortSignal;
}

export interface FetchArtifactOptions {
  readonly signal?: AbortSignal;
}

/** What artifacts need of their client. */
export interface ArtifactHost {
  readonly limits: ClientLimits;
  issue<T>(command: Command<T>, signal?: AbortSignal): Promise<T>;
}

type PutAnswer = Payload<'artifact.ref'>;

export class ClientArtifacts {
  readonly #host: ArtifactHost;
  readonly #turns: Turns;

  /** @internal */
  constructor(host: ArtifactHost) {
    this.#host = host;
    this.#turns = new Turns(host.limits.artifactPartsInFlight);
  }

  /**
   * Puts what `source` gives, however large, and resolves once the runtime has kept all of it. Rejects with
   * RESOURCE_EXHAUSTED at a limit of the runtime, with what the source throws, and with CANCELLED when `signal` is
   * aborted; nothing of it is kept then.
   *
   * @example
   * const ref = await client.artifacts.put(createReadStream('report.pdf'), { mediaType: 'application/pdf' });
   */
  async put(source: ArtifactSource, options: PutArtifactOptions = {}): Promise<ArtifactRef> {
    const upload = new Upload(source, options, this.#host, this.#turns);
    return upload.run();
  }

  /**
   * An artifact of this principal, to be read once: iterate over it, or take it with `bytes()` or `text()`. Rejects
   * with NOT_FOUND for one that was released or has expired, PERMISSION_DENIED for another principal's.
   *
   * @example
   * await pipeline(await client.artifacts.fetch(ref), createWriteStream('report.pdf'));
   */
  async fetch(
    artifact: string | ArtifactRef,
    { signal }: FetchArtifactOptions = {},
  ): Promise<FetchedArtifact> {
    const { limits } = this.#host;
    const id = idOf(artifact);
    const piece = (offset: number): Promise<Payload<'artifact.put'>> =>
      this.#host.issue(
        {
          message: {
            type: 'artifact.fetch',
            payload: { artifact_id: id, offset, limit: limits.artifactPartBytes },
          },
          repeat: 'fresh-id',
          read: (envelope) =>
            envelope.type === 'artifact.put'
              ? { kind: 'resolved', value: envelope.payload }
              : { kind: 'unrelated' },
        },
        signal,
      );
    return new FetchedArtifact(id, await piece(0), piece, limits.maxResultBytes);
  }

  /** Forgets an artifact of this principal at once. Rejects like `fetch`. */
  async release(artifact: string | ArtifactRef): Promise<void> {
    const done: Answer<undefined> = { kind: 'resolved', value: undefined };
    await this.#host.issue<undefined>({
      message: { type: 'artifact.release', payload: { artifact_id: idOf(artifact) } },
      repeat: 'fresh-id',
      read: ({ type }) => (type === 'ack' ? done : { kind: 'unrelated' }),
      refusedRepeat: ({ code }) => (code === 'NOT_FOUND' ? done : undefined),
    });
  }
}

/** One artifact on its way to the runtime. */
class Upload {
  readonly #source: ArtifactSource;
  readonly #options: PutArtifactOptions;
  readonly #host: ArtifactHost;
  readonly #turns: Turns;
  readonly #uploadId = nanoid();
  readonly #hash = sha256.create();
  /** Of the runtime's first answer. */
  #artifactId: ArtifactRef['artifact_id'] | undefined;

  constructor(source: ArtifactSource, options: PutArtifactOptions, host: ArtifactHost, turns: Turns) {
    this.#source = source;
    this.#options = options;
    this.#host = host;
    this.#turns = turns;
  }

  async run(): Promise<ArtifactRef> {
    const sent = new Set<Promise<PutAnswer>>();
    let failure: { readonly error: unknown } | undefined;
    try {
      for await (const part of cutParts(this.#source, this.#host.limits.artifactPartBytes)) {
        this.#hash.update(part.bytes);
        await this.#turns.take();
        if (failure !== undefined) {
          this.#turns.give();
          throw failure.error;
        }
        const answer = this.#send(part).finally(() => {
          sent.delete(answer);
          this.#turns.give();
        });
        sent.add(answer);
        answer.catch((error: unknown) => (failure ??= { error }));
        // The first answer shows whether the runtime takes parts at all.
        if (part.isLast || part.offset === 0) this.#check(part, await answer);
        if (part.isLast) return (await answer).artifact;
      }
      throw new ArcpError('INTERNAL', 'the content has no last part');
    } catch (error) {
      await Promise.allSettled(sent);
      await this.#giveUp();
      // What followed the part that failed was refused for that.
      throw failure?.error ?? error;
    }
  }

  #send({ bytes, offset, isLast }: CutPart): Promise<PutAnswer> {
    const { retainSeconds, signal } = this.#options;
    const retention =
      retainSeconds === undefined ? {} : { retain_seconds: retainSeconds, ttl_seconds: retainSeconds };
    return this.#host.issue(
      {
        message: {
          type: 'artifact.put',
          payload: {
            media_type: this.#mediaType,
            data: encodeBase64(bytes),
            encoding: 'base64',
            upload_id: this.#uploadId,
            offset,
            ...(isLast ? { sha256: bytesToHex(this.#hash.digest()) } : { more: true }),
            ...retention,
          },
        },
        repeat: 'fresh-id',
        read: readPut,
      },
      signal,
    );
  }

  get #mediaType(): string {
    const { mediaType } = this.#options;
    if (mediaType !== undefined) return mediaType;
    return typeof this.#source === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream';
  }

  #check({ offset, bytes, isLast }: CutPart, { artifact, more = false }: PutAnswer): void {
    this.#artifactId ??= artifact.artifact_id;
    if (more === isLast || artifact.size < offset + bytes.length) {
      throw new ArcpError('UNIMPLEMENTED', 'the runtime takes no artifacts that are larger than one message');
    }
  }

  /** What was put of it would only be in the way until it expires. */
  async #giveUp(): Promise<void> {
    if (this.#artifactId === undefined) return;
    const command: Command<undefined> = {
      message: { type: 'artifact.release', payload: { artifact_id: this.#artifactId } },
      repeat: 'fresh-id',
      read: ({ type }) => (type === 'ack' ? { kind: 'resolved', value: undefined } : { kind: 'unrelated' }),
    };
    // The runtime forgets it all the same, later.
    await this.#host.issue(command).catch(() => undefined);
  }
}

function readPut(envelope: AnyEnvelope): Answer<PutAnswer> {
  return envelope.type === 'artifact.ref'
    ? { kind: 'resolved', value: envelope.payload }
    : { kind: 'unrelated' };
}

function idOf(artifact: string | ArtifactRef): ArtifactRef['artifact_id'] {
  const id = typeof artifact === 'string' ? artifact : artifact.artifact_id;
  if (isId('artifact', id)) return id;
  throw new ArcpError('INVALID_ARGUMENT', 'expected the id of an artifact, art_…');
}
