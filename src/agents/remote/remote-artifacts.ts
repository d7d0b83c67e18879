/** Artifacts that an agent puts and reads, in the parts of `protocol/payloads/artifacts.ts`. */
import { createHash } from 'node:crypto';
import { decodeBase64, encodeBase64 } from '../../protocol/base64.js';
import type { Envelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { AgentArtifactPiece } from '../agent.js';
import type { JobConversation } from './conversation.js';
import { acknowledge } from './link.js';

export function putArtifact(job: JobConversation, envelope: Envelope<'artifact.put'>): void {
  const { id, payload } = envelope;
  const {
    media_type,
    data,
    offset = 0,
    more = false,
    upload_id,
    sha256,
    retain_seconds,
    is_result,
  } = payload;
  const bytes = decodeBase64(data);
  if (bytes.length > job.limits.maxChunkBytes) {
    const message = `${bytes.length} bytes are over the ${job.limits.maxChunkBytes} of one part`;
    throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
  }
  const isWhole = offset === 0 && !more;
  if (sha256 !== undefined && isWhole && sha256 !== createHash('sha256').update(bytes).digest('hex'))
    throw new ArcpError('INVALID_ARGUMENT', 'sha256: that is not the hash of the data');
  job.act(envelope, {
    kind: 'brief',
    work: () =>
      job.ctx.artifactPart({
        uploadId: upload_id ?? id,
        bytes,
        offset,
        isLast: !more,
        mediaType: media_type,
        ...(is_result === true ? { isResult: true } : {}),
        ...(retain_seconds === undefined ? {} : { retainSeconds: retain_seconds }),
      }),
    done: (ref) => {
      if (is_result === true && !more) job.resultArtifact = ref.artifact_id;
      const progress = more ? { offset: ref.size, more: true } : {};
      job.say('artifact.ref', { artifact: ref, ...ref, ...progress }, { correlationId: id });
    },
  });
}

/** With an `offset` or a `limit` one piece, which says whether more follows; without, the whole, where one part holds it. */
export function fetchArtifact(job: JobConversation, envelope: Envelope<'artifact.fetch'>): void {
  const { id, payload } = envelope;
  const { artifact_id, offset, limit } = payload;
  const isPiece = offset !== undefined || limit !== undefined;
  job.act(envelope, {
    kind: 'brief',
    work: () => job.ctx.artifactPiece(artifact_id, offset ?? 0),
    done: ({ ref, bytes, more }: AgentArtifactPiece) => {
      if (!isPiece && more) {
        const message = `the artifact has ${ref.size} bytes: fetch it in pieces, with an offset`;
        throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
      }
      const given = bytes.subarray(0, limit);
      job.say(
        'artifact.put',
        {
          artifact_id: ref.artifact_id,
          media_type: ref.media_type,
          data: encodeBase64(given),
          encoding: 'base64',
          sha256: ref.sha256,
          size: ref.size,
          ...(isPiece ? { offset: offset ?? 0, more: more || given.length < bytes.length } : {}),
        },
        { correlationId: id },
      );
    },
  });
}

export function releaseArtifact(job: JobConversation, envelope: Envelope<'artifact.release'>): void {
  job.act(envelope, {
    kind: 'brief',
    work: () => job.ctx.releaseArtifact(envelope.payload.artifact_id),
    done: () => {
      acknowledge(job, envelope);
    },
  });
}
