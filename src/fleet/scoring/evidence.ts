/**
 * What a verdict rests on, kept under the digest of its content: the same bytes are kept once, and a receipt that names
 * them can be checked against them for ever.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FleetArtifactRef } from '../../protocol/fleet/index.js';

/** Keeps bytes; gives the path to name them by in a receipt. */
export interface EvidenceStore {
  put(bytes: Uint8Array, sha256: string): Promise<string>;
}

/** `sha256:` and the digest in hex, as `checksum` has it. */
export function checksumOf(bytes: Uint8Array): string {
  return `sha256:${digest(bytes)}`;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Keeps evidence and says how a receipt refers to it. */
export async function keepEvidence(
  store: EvidenceStore,
  bytes: Uint8Array,
  what: { readonly kind: string; readonly mimeType: string },
): Promise<FleetArtifactRef> {
  const sha256 = digest(bytes);
  return {
    kind: what.kind,
    path: await store.put(bytes, sha256),
    checksum: `sha256:${sha256}`,
    mime_type: what.mimeType,
    size_bytes: bytes.byteLength,
  };
}

/** In files of a folder: `sha256/ab/cdef…`. A file is there whole or not at all. */
export function evidenceFolder(folder: string): EvidenceStore {
  return {
    async put(bytes, sha256) {
      const path = join('sha256', sha256.slice(0, 2), sha256.slice(2));
      const whole = join(folder, path);
      if (!(await isThere(whole, bytes.byteLength))) await writeWhole(whole, bytes);
      return path.replaceAll('\\', '/');
    },
  };
}

async function isThere(path: string, size: number): Promise<boolean> {
  try {
    return (await stat(path)).size === size;
  } catch {
    return false;
  }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${randomUUID()}`;
  try {
    const file = await open(unfinished, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
