import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutParts, type ArtifactSource, type CutPart } from '../../src/protocol/index.js';

async function partsOf(source: ArtifactSource, partBytes: number): Promise<CutPart[]> {
  const parts: CutPart[] = [];
  for await (const part of cutParts(source, partBytes)) parts.push(part);
  return parts;
}

async function* given(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

describe('the parts of an artifact', () => {
  it('are full but for the last, follow one another, and are what went in, however that was cut', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 40 }), async (all, partBytes) => {
        const whole = Buffer.concat(all);
        const parts = await partsOf(given(all), partBytes);
        expect(whole.equals(Buffer.concat(parts.map(({ bytes }) => bytes)))).toBe(true);
        expect(parts.length).toBe(Math.max(1, Math.ceil(whole.length / partBytes)));
        for (const [index, { offset, isLast }] of parts.entries()) {
          expect(offset).toBe(index * partBytes);
          expect(isLast).toBe(index === parts.length - 1);
        }
      }),
    );
  });

  it('come of text, bytes, Blobs, web streams, Node streams and lists alike', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'arcp-parts-'));
    const file = join(folder, 'file');
    writeFileSync(file, 'héllo');
    const bytes = new TextEncoder().encode('héllo');
    const sources: ArtifactSource[] = [
      'héllo',
      bytes,
      Buffer.from(bytes),
      new Blob([bytes]),
      new Blob([bytes]).stream(),
      new File([bytes], 'name'),
      Readable.from([bytes.subarray(0, 2), bytes.subarray(2)]),
      createReadStream(file),
      [bytes.subarray(0, 1), new Uint8Array(0), bytes.subarray(1)],
    ];
    for (const source of sources) {
      const parts = await partsOf(source, 4);
      expect(parts.map(({ bytes: part }) => part.length)).toEqual([4, 2]);
      expect(Buffer.concat(parts.map(({ bytes: part }) => part)).toString()).toBe('héllo');
    }
    rmSync(folder, { recursive: true });
  });

  it.each<[string, unknown]>([
    ['a lone surrogate', '\ud800'],
    ['pieces of text', ['text']],
    ['a stream of text', Readable.from(['text'])],
    ['a web stream of text', Readable.toWeb(Readable.from(['text']))],
    ['numbers', [1, 2]],
    ['words of two bytes', new Uint16Array([1])],
    ['an object', {}],
  ])('are refused of %s', async (_what, source) => {
    await expect(partsOf(source as ArtifactSource, 4)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('give a source up that nobody reads to its end', async () => {
    let cancelled = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(8)),
      cancel: () => {
        cancelled += 1;
      },
    });
    const node = Readable.from([new Uint8Array(8), new Uint8Array(8)]);
    for (const source of [stream, { stream: () => stream }, node]) {
      if (stream.locked && source !== node) continue;
      for await (const { offset } of cutParts(source, 4)) if (offset > 0) break;
    }
    expect(cancelled).toBe(1);
    expect(node.destroyed).toBe(true);
  });
});
