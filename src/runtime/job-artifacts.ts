/** A part that an agent hands over: checked, as agents may be plain JavaScript, and cut to what the runtime takes. */
import type { AgentArtifactPart } from '../agents/agent.js';
import { ArcpError } from '../protocol/errors.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import { checkName } from './agent-output.js';
import type { ArtifactOwner } from './artifact.js';
import type { EngineContext } from './engine-context.js';

const DEFAULT_MEDIA_TYPE = 'application/octet-stream';

/** Puts it as the principal of the job (T2). What cannot be put as a whole is not kept at all. */
export async function putForJob(
  { artifacts, limits }: Pick<EngineContext, 'artifacts' | 'limits'>,
  owner: ArtifactOwner,
  part: AgentArtifactPart,
): Promise<ArtifactRef> {
  const { uploadId, bytes, offset, isLast, mediaType = DEFAULT_MEDIA_TYPE, retainSeconds } = part;
  checkName('media type', mediaType);
  if (retainSeconds !== undefined && !(Number.isSafeInteger(retainSeconds) && retainSeconds >= 0)) {
    throw new ArcpError('INVALID_ARGUMENT', `retainSeconds: ${retainSeconds} is no count of seconds`);
  }
  let ref: ArtifactRef | undefined;
  try {
    for (let at = 0; ref === undefined || at < bytes.length; at += limits.maxChunkBytes) {
      const piece = bytes.subarray(at, at + limits.maxChunkBytes);
      const more = !isLast || at + piece.length < bytes.length;
      const common = { mediaType, uploadId, sha256: undefined, retainSeconds };
      ({ ref } = await artifacts.put(owner, { ...common, bytes: piece, offset: offset + at, more }));
    }
    return ref;
  } catch (error) {
    // What is half there is of no use to anybody.
    if (ref !== undefined) await artifacts.release(owner, ref.artifact_id).catch(() => undefined);
    throw error;
  }
}
