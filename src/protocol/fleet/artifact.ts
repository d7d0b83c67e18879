/** What a task produces or consumes (fleet.rs `FleetArtifactRef`, `FleetArtifactKind`). */
import * as z from 'zod';
import { counter, text } from '../scalars.js';
import { maybe, orNull } from './shapes.js';

/** The kinds that have a name of their own; any other text is a kind too. */
export const FLEET_ARTIFACT_KINDS = [
  'log',
  'patch',
  'test_result',
  'report',
  'checkpoint',
  'receipt',
] as const;

export type FleetArtifactKind = (typeof FLEET_ARTIFACT_KINDS)[number] | (string & {});

export const fleetArtifactKind = text.transform((kind): FleetArtifactKind => kind);

export const fleetArtifactRef = z.object({
  kind: fleetArtifactKind,
  path: text,
  /** `sha256:` and the digest in hex. */
  checksum: maybe(text),
  mime_type: maybe(text),
  size_bytes: orNull(counter),
});

export type FleetArtifactRef = z.output<typeof fleetArtifactRef>;
