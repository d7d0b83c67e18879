import type { Writable } from 'node:stream';
import fc from 'fast-check';
import * as ws from 'ws';
import { describe, expect, it } from 'vitest';
import { FrameBatch } from '../../src/transport/frame-batch.js';

/** `ws` exports its frame parser; its types do not. */
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

function parse(bytes: Buffer, pieceBytes: number): string[] {
  const frames: string[] = [];
  const receiver = new Receiver({ isServer: false });
  receiver.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) throw new Error('a binary frame');
    frames.push(data.toString());
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) receiver.write(bytes.subarray(at, at + pieceBytes));
  return frames;
}

function batchOf(frames: readonly string[]): FrameBatch {
  const batch = new FrameBatch();
  for (const frame of frames) batch.add(frame);
  return batch;
}

describe('a batch of WebSocket frames', () => {
  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 1_572_864])('lays out %i bytes as ws reads them', (size) => {
    const frame = 'x'.repeat(size);
    const bytes = batchOf([frame, '"next"']).take();
    expect(parse(bytes, 16_384)).toEqual([frame, '"next"']);
    const header = size < 126 ? 2 : size < 65_536 ? 4 : 10;
    expect(bytes.length).toBe(header + size + 2 + '"next"'.length);
  });

  it('counts bytes, not characters, in its headers', () => {
    const frames = ['€'.repeat(42), '€'.repeat(41) + 'ab', '𝄞'.repeat(16_384), 'ü'];
    expect(parse(batchOf(frames).take(), 1_000)).toEqual(frames);
  });

  it('comes back from ws as it was, whatever the texts and however the bytes are cut', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 150 }));
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 8 }),
        fc.integer({ min: 1, max: 300 }),
        (frames, pieceBytes) => {
          const batch = batchOf(frames);
          const { bytes } = batch;
          const taken = batch.take();
          expect(taken.length).toBe(bytes);
          expect(parse(taken, pieceBytes)).toEqual(frames.map((frame) => frame.toWellFormed()));
        },
      ),
    );
  });

  it('is empty after it was taken, and can be filled again', () => {
    const batch = batchOf(['"first"']);
    batch.take();
    expect(batch.bytes).toBe(0);
    expect(batch.take().length).toBe(0);
    batch.add('"second"');
    expect(parse(batch.take(), 1_000)).toEqual(['"second"']);
  });
});
