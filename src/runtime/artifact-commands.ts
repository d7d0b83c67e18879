/** The commands about artifacts (RFC 0001 §16). Each is answered when the store has done its part (L2). */
import { decodeBase64 } from '../protocol/base64.js';
import { ArcpError } from '../protocol/errors.js';
import type { Command, CommandScene } from './command.js';

export const putArtifact: Command<'artifact.put'> = (scene, { id, payload }) => {
  const { engine, session, peer } = scene;
  const { media_type, data, offset, more, upload_id, sha256, retain_seconds } = payload;
  const part = {
    mediaType: media_type,
    bytes: decodeBase64(data),
    offset: offset ?? 0,
    more: more ?? false,
    uploadId: upload_id,
    sha256,
    retainSeconds: retain_seconds,
  };
  answer(scene, id, async () => {
    const { ref, more: isUnfinished } = await engine.artifacts.put(session.identity, part);
    const progress = isUnfinished ? { offset: ref.size, more: true } : {};
    peer.reply({
      type: 'artifact.ref',
      payload: { artifact: ref, ...ref, ...progress },
      sessionId: session.id,
      correlationId: id,
    });
  });
};

export const fetchArtifact: Command<'artifact.fetch'> = (scene, { id, payload }) => {
  const { engine, session, peer } = scene;
  const { artifact_id, offset, limit } = payload;
  answer(scene, id, async () => {
    const from = offset ?? (limit === undefined ? undefined : 0);
    const piece = await engine.artifacts.fetch(session.identity, artifact_id, from, limit);
    const { bytes, ref } = piece;
    peer.reply({
      type: 'artifact.put',
      payload: {
        artifact_id,
        media_type: ref.media_type,
        data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
        encoding: 'base64',
        sha256: ref.sha256,
        size: ref.size,
        ...(from === undefined ? {} : { offset: piece.offset, more: piece.more }),
      },
      sessionId: session.id,
      correlationId: id,
    });
  });
};

/** Peers that expect no answer drop this one; others learn that it is done. */
export const releaseArtifact: Command<'artifact.release'> = (scene, { id, payload }) => {
  const { engine, session, peer } = scene;
  answer(scene, id, async () => {
    await engine.artifacts.release(session.identity, payload.artifact_id);
    peer.reply({
      type: 'ack',
      payload: { ack_for: id, received_at: engine.timestamps.now() },
      sessionId: session.id,
      correlationId: id,
    });
  });
};

/** Does what takes its time; what it rejects with is the answer then (L6). */
function answer({ engine, session, peer }: CommandScene, id: string, run: () => Promise<void>): void {
  engine.artifacts.onTheWire(session.identity, run).catch((error: unknown) => {
    const refused = ArcpError.from(error);
    const { code, message } = refused;
    engine.logger.info({ session: session.id, code, reason: message }, 'command refused');
    peer.reply({
      type: 'nack',
      payload: { ...refused.toPayload(), ack_for: id },
      sessionId: session.id,
      correlationId: id,
    });
  });
}
