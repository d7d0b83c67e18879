/** Gives artifacts in the workspace their digests, so that a receipt can be checked against what is there later. */
import type { FleetArtifactRef } from '../../protocol/fleet/index.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { checksumOf } from '../scoring/evidence.js';
import { openInWorkspace, readAtMost } from '../workspace/workspace-file.js';

/** What is elsewhere, or too large to be read whole, is left as it was told. */
export async function hashed(
  workspace: string | undefined,
  artifacts: readonly FleetArtifactRef[],
): Promise<readonly FleetArtifactRef[]> {
  if (workspace === undefined) return artifacts;
  const all: FleetArtifactRef[] = [];
  for (const artifact of artifacts) {
    all.push(artifact.checksum === undefined ? await withDigest(workspace, artifact) : artifact);
  }
  return all;
}

async function withDigest(workspace: string, artifact: FleetArtifactRef): Promise<FleetArtifactRef> {
  const opened = await openInWorkspace(workspace, artifact.path);
  if (!opened.ok) return artifact;
  try {
    const bytes = await readAtMost(opened.file, DEFAULT_FLEET_LIMITS.maxScoredBytes);
    if (bytes === undefined) return { ...artifact, size_bytes: opened.size };
    return { ...artifact, checksum: checksumOf(bytes), size_bytes: bytes.byteLength };
  } finally {
    await opened.file.close();
  }
}
