/**
 * What a job returned, as the answer to a tool call.
 *
 * A value is its JSON as text, and `structuredContent` too where it is an object. What came as a stream or is an artifact
 * is text, an image, a sound or a file, by what it says of itself.
 *
 * (W1) At most `maxAnswerBytes` of it are held and answered. What is larger is, or becomes, an artifact at the runtime,
 *      and the answer says which.
 */
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Client, Job } from '../client/index.js';
import { isJsonObject } from '../protocol/scalars.js';
import type { McpLimits } from './limits.js';

/** Where something is that is not in the answer. */
interface Elsewhere {
  readonly id: string;
  readonly mediaType: string;
  readonly size: number | undefined;
}

/** Call it straight after the start of the job, whose streamed result it takes. Throws the job's error. */
export async function answerOf(
  job: Job,
  client: Client,
  limits: Pick<McpLimits, 'maxAnswerBytes'>,
): Promise<CallToolResult> {
  const limit = limits.maxAnswerBytes;
  const keep = async (
    source: AsyncIterable<Uint8Array> | string,
    mediaType: string,
  ): Promise<CallToolResult> => {
    const { artifact_id: id, size } = await client.artifacts.put(source, { mediaType });
    return elsewhere({ id, mediaType, size });
  };
  const chunks = job.chunks();
  const streamed = await upTo(limit, chunks);
  if (!streamed.whole) return keep(continued(streamed.pieces, chunks), 'application/octet-stream');
  const { value, summary, resultRef, result } = await job.result();
  if (result !== undefined) {
    const mediaType = result.encoding === 'utf8' ? 'text/plain' : 'application/octet-stream';
    return answer(Buffer.concat(streamed.pieces), mediaType, result.id);
  }
  if (resultRef !== undefined) return artifact(client, resultRef.artifact_id, limit);
  if (value === undefined) return text(summary ?? 'the job completed and returned nothing');
  const json = JSON.stringify(value);
  if (Buffer.byteLength(json) > limit) return keep(json, 'application/json');
  return { ...text(json), ...(isJsonObject(value) ? { structuredContent: value } : {}) };
}

async function artifact(client: Client, id: string, limit: number): Promise<CallToolResult> {
  const fetched = await client.artifacts.fetch(id);
  const { mediaType, size } = fetched;
  if (size !== undefined && size > limit) return elsewhere({ id, mediaType, size });
  const pieces = fetched[Symbol.asyncIterator]();
  const read = await upTo(limit, pieces);
  if (read.whole) return answer(Buffer.concat(read.pieces), mediaType, id);
  await pieces.return(undefined);
  return elsewhere({ id, mediaType, size });
}

interface Read {
  /** Whether that is all. */
  readonly whole: boolean;
  readonly pieces: readonly Uint8Array[];
}

/** Reads until it is more than `limit` bytes; what is left can be read on (W1). */
async function upTo(limit: number, source: AsyncIterator<Uint8Array, undefined>): Promise<Read> {
  const pieces: Uint8Array[] = [];
  for (let size = 0; size <= limit;) {
    const { done, value } = await source.next();
    if (done === true) return { whole: true, pieces };
    pieces.push(value);
    size += value.length;
  }
  return { whole: false, pieces };
}

async function* continued(
  pieces: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, undefined> {
  yield* pieces;
  yield* rest;
  return undefined;
}

function answer(bytes: Buffer, mediaType: string, id: string): CallToolResult {
  const [type = ''] = mediaType.toLowerCase().split(';');
  const isJson = type === 'application/json' || type.endsWith('+json');
  const said = isJson || type.startsWith('text/') ? decoded(bytes) : undefined;
  if (said !== undefined) {
    const value = isJson ? parsed(said) : undefined;
    return { ...text(said), ...(isJsonObject(value) ? { structuredContent: value } : {}) };
  }
  const data = bytes.toString('base64');
  if (type.startsWith('image/')) return { content: [{ type: 'image', data, mimeType: mediaType }] };
  if (type.startsWith('audio/')) return { content: [{ type: 'audio', data, mimeType: mediaType }] };
  const resource = { uri: `arcp:${encodeURIComponent(id)}`, mimeType: mediaType, blob: data };
  return { content: [{ type: 'resource', resource }] };
}

function elsewhere({ id, mediaType, size }: Elsewhere): CallToolResult {
  const bytes = size === undefined ? '' : `, ${size} bytes`;
  return text(
    `The result is too large for an answer. It is artifact ${id} (${mediaType}${bytes}); \`arcp artifact get ${id}\` takes it.`,
  );
}

function text(said: string): CallToolResult {
  return { content: [{ type: 'text', text: said }] };
}

/** Nothing where it is no UTF-8. */
function decoded(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
