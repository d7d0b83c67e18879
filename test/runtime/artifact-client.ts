/** What the tests of artifacts say to a runtime, frame by frame. */
import { createHash } from 'node:crypto';
import type { FrameOf, RawClient } from './raw-client.js';

export const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');

/** Sends `artifact.put` and takes what answers it. */
export async function put(
  client: RawClient,
  bytes: Uint8Array | string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<FrameOf<'artifact.ref'> | FrameOf<'nack'>> {
  return answerTo(client, 'artifact.ref', 'artifact.put', {
    media_type: 'text/plain',
    data: base64(bytes),
    ...more,
  });
}

/** The id of an artifact that was put as a whole. */
export async function idOfPut(
  client: RawClient,
  bytes: Uint8Array | string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const answer = await put(client, bytes, more);
  if (answer.type === 'nack') throw new Error(answer.payload.message);
  return answer.payload.artifact_id;
}

export async function fetch(
  client: RawClient,
  artifactId: string,
  range: { readonly offset?: number; readonly limit?: number } = {},
): Promise<FrameOf<'artifact.put'> | FrameOf<'nack'>> {
  return answerTo(client, 'artifact.put', 'artifact.fetch', { artifact_id: artifactId, ...range });
}

export async function release(
  client: RawClient,
  artifactId: string,
): Promise<FrameOf<'ack'> | FrameOf<'nack'>> {
  return answerTo(client, 'ack', 'artifact.release', { artifact_id: artifactId });
}

/** The whole of an artifact, fetched in pieces of `limit` bytes. */
export async function fetchAll(client: RawClient, artifactId: string, limit: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let offset = 0; ;) {
    const piece = await fetch(client, artifactId, { offset, limit });
    if (piece.type === 'nack') throw new Error(piece.payload.message);
    const bytes = Buffer.from(piece.payload.data, 'base64');
    pieces.push(bytes);
    offset += bytes.length;
    if (piece.payload.more !== true) return Buffer.concat(pieces);
  }
}

async function answerTo<T extends 'artifact.ref' | 'artifact.put' | 'ack'>(
  client: RawClient,
  expected: T,
  type: string,
  payload: unknown,
): Promise<FrameOf<T> | FrameOf<'nack'>> {
  const id = client.send(type, payload);
  const answer = await client.answerTo(id);
  if (answer.type !== 'nack' && answer.type !== expected)
    throw new Error(`${type} was answered by ${answer.type}`);
  return answer as FrameOf<T> | FrameOf<'nack'>;
}
