/**
 * What a tool returned as the result of a job: `{content, structured?}`, where `structured` is the tool's
 * `structuredContent` and `content` its blocks in order, each one of
 *
 *     {type: 'text', text}                                       {type: 'link', uri, name, media_type?}
 *     {type: 'image' | 'audio', media_type, data}                data is base64
 *     {type: 'resource', uri, media_type?, text | data}
 *
 * with `artifact` (an artifact reference) in the place of a `text` or `data` beyond `maxInlineBytes`. A result that is
 * still larger than `maxResultBytes` becomes an artifact as a whole, in which the same JSON stands.
 */
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { JobContext } from '../agents/agent.js';
import type { McpLimits } from './limits.js';

type Block = CallToolResult['content'][number];

const MAX_SUMMARY = 200;

/** The job's result; nothing where it is an artifact. */
export async function resultOf(result: CallToolResult, ctx: JobContext, limits: McpLimits): Promise<unknown> {
  const content: unknown[] = [];
  for (const block of result.content) content.push(await blockOf(block, ctx, limits));
  const summary = textOf(result);
  if (summary !== '') ctx.summarize(cut(summary, MAX_SUMMARY));
  const { structuredContent: structured } = result;
  const value = { content, ...(structured === undefined ? {} : { structured }) };
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) <= limits.maxResultBytes) return value;
  const stream = ctx.openResult({ as: 'artifact', mediaType: 'application/json' });
  stream.end(text);
  return undefined;
}

/** All that it says in text. */
export function textOf({ content }: CallToolResult): string {
  return content
    .flatMap((block) => (block.type === 'text' ? [block.text] : []))
    .join('\n')
    .trim();
}

export function cut(text: string, units: number): string {
  return (text.length <= units ? text : `${text.slice(0, units - 1)}…`).toWellFormed();
}

async function blockOf(block: Block, ctx: JobContext, limits: McpLimits): Promise<unknown> {
  const text = (said: string, mediaType?: string): Promise<object> =>
    Buffer.byteLength(said) <= limits.maxInlineBytes
      ? Promise.resolve({ text: said })
      : kept(ctx, said, mediaType ?? 'text/plain; charset=utf-8');
  const data = (base64: string, mediaType = 'application/octet-stream'): Promise<object> =>
    base64.length <= limits.maxInlineBytes
      ? Promise.resolve({ data: base64 })
      : kept(ctx, Buffer.from(base64, 'base64'), mediaType);
  switch (block.type) {
    case 'text':
      return { type: 'text', ...(await text(block.text)) };
    case 'image':
    case 'audio':
      return { type: block.type, media_type: block.mimeType, ...(await data(block.data, block.mimeType)) };
    case 'resource_link': {
      const { uri, name, mimeType } = block;
      return { type: 'link', uri, name, ...(mimeType === undefined ? {} : { media_type: mimeType }) };
    }
    case 'resource': {
      const { resource } = block;
      const { uri, mimeType } = resource;
      const held =
        'text' in resource ? await text(resource.text, mimeType) : await data(resource.blob, mimeType);
      return { type: 'resource', uri, ...(mimeType === undefined ? {} : { media_type: mimeType }), ...held };
    }
  }
}

async function kept(ctx: JobContext, source: string | Buffer, mediaType: string): Promise<object> {
  return { artifact: await ctx.artifact(source, { mediaType }) };
}
