/** Artifacts as agents put and read them: part by part through their context, each part when the one before is kept. */
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { artifactBytes, cutParts, PartCutter, type ArtifactSource } from '../protocol/artifact-parts.js';
import { ArcpError } from '../protocol/errors.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import type {
  AgentArtifactPiece,
  ArtifactOptions,
  ArtifactReader,
  JobContext,
  ResultStream,
} from './agent.js';

/** Bytes of one part; the runtime cuts it further where it takes less. */
const PART_BYTES = 1_048_576;

/** What an artifact passes through. */
export type ArtifactPort = Pick<JobContext, 'artifactPart' | 'artifactPiece' | 'releaseArtifact'>;

/** Puts all that the source gives. What was put before something went wrong is released. */
export async function putArtifact(
  source: ArtifactSource,
  options: ArtifactOptions,
  uploadId: string,
  port: ArtifactPort,
): Promise<ArtifactRef> {
  const text = typeof source === 'string' ? { mediaType: 'text/plain; charset=utf-8' } : {};
  const { mediaType, retainSeconds } = { ...text, ...options };
  const common = {
    uploadId,
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(retainSeconds === undefined ? {} : { retainSeconds }),
  };
  let ref: ArtifactRef | undefined;
  try {
    for await (const part of cutParts(source, PART_BYTES))
      ref = await port.artifactPart({ ...common, ...part });
  } catch (error) {
    if (ref !== undefined) await port.releaseArtifact(ref).catch(() => undefined);
    throw error;
  }
  if (ref === undefined) throw new ArcpError('INTERNAL', 'the content has no last part');
  return ref;
}

/** Opens an artifact; its first piece is read at once. */
export async function readArtifact(
  artifact: string | ArtifactRef,
  port: ArtifactPort,
): Promise<ArtifactReader> {
  const id = artifactId(artifact);
  return new PiecewiseReader(id, await port.artifactPiece(id, 0), port);
}

export function artifactId(artifact: string | ArtifactRef): string {
  return typeof artifact === 'string' ? artifact : artifact.artifact_id;
}

class PiecewiseReader implements ArtifactReader {
  readonly ref: ArtifactRef;
  readonly #id: string;
  readonly #first: AgentArtifactPiece;
  readonly #port: ArtifactPort;

  constructor(id: string, first: AgentArtifactPiece, port: ArtifactPort) {
    this.ref = first.ref;
    this.#id = id;
    this.#first = first;
    this.#port = port;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    const hash = createHash('sha256');
    let offset = 0;
    for (let piece = this.#first; ; piece = await this.#port.artifactPiece(this.#id, offset)) {
      hash.update(piece.bytes);
      offset += piece.bytes.length;
      if (piece.bytes.length > 0) yield piece.bytes;
      if (!piece.more) break;
    }
    if (hash.digest('hex') !== this.ref.sha256) {
      throw new ArcpError('DATA_LOSS', 'the content of the artifact does not fit its hash');
    }
  }

  async bytes(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async text(): Promise<string> {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await this.bytes());
  }
}

type Done = (error?: Error | null) => void;

/** The writable end of a result that becomes an artifact. A write is done when the parts that it filled are kept. */
export class ArtifactResult extends Writable implements ResultStream {
  readonly resultId: string;
  readonly #options: ArtifactOptions;
  readonly #port: ArtifactPort;
  readonly #cutter = new PartCutter(PART_BYTES);
  #ref: ArtifactRef | undefined;

  constructor(resultId: string, options: ArtifactOptions, port: ArtifactPort) {
    super({ decodeStrings: false });
    // What goes wrong fails the job when its agent returns. Nobody has to listen, but without a listener Node would throw.
    this.on('error', () => undefined);
    this.resultId = resultId;
    this.#options = options;
    this.#port = port;
  }

  override _write(data: string | Uint8Array, _encoding: string, done: Done): void {
    this.#settle(async () => {
      const bytes = typeof data === 'string' ? artifactBytes(data) : data;
      for (const part of this.#cutter.push(bytes)) await this.#put(part);
    }, done);
  }

  override _final(done: Done): void {
    this.#settle(() => this.#put(this.#cutter.end()), done);
  }

  override _destroy(error: Error | null, done: Done): void {
    const unfinished = this.writableFinished ? undefined : this.#ref;
    if (unfinished !== undefined) this.#port.releaseArtifact(unfinished).catch(() => undefined);
    done(error);
  }

  async #put(part: ReturnType<PartCutter['end']>): Promise<void> {
    const { mediaType, retainSeconds } = this.#options;
    this.#ref = await this.#port.artifactPart({
      uploadId: this.resultId,
      isResult: true,
      ...(mediaType === undefined ? {} : { mediaType }),
      ...(retainSeconds === undefined ? {} : { retainSeconds }),
      ...part,
    });
  }

  #settle(run: () => Promise<void>, done: Done): void {
    run().then(
      () => {
        done();
      },
      (error: unknown) => {
        done(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }
}
