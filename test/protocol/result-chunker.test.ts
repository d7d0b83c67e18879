import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../src/protocol/base64.js';
import { ArcpError } from '../../src/protocol/errors.js';
import {
  ResultChunkAssembler,
  ResultChunker,
  ResultChunkError,
  type ResultChunk,
  type ResultChunkEncoding,
} from '../../src/protocol/result-chunks.js';
import { errorOf } from './error-of.js';

function chunker(encoding: ResultChunkEncoding, maxChunkBytes = 4): ResultChunker {
  return new ResultChunker({ resultId: 'res_1', encoding, maxChunkBytes });
}

const bytes = (...values: number[]) => Uint8Array.from(values);
const utf8 = (text: string) => new TextEncoder().encode(text);
const data = (chunks: readonly ResultChunk[]) => chunks.map((chunk) => chunk.data);

describe('ResultChunker', () => {
  it('cuts text into chunks of at most so many bytes, numbered from 0, the last one final', () => {
    const producer = chunker('utf8');
    expect([...producer.write('hello world'), ...producer.end()]).toEqual([
      { result_id: 'res_1', chunk_seq: 0, data: 'hell', encoding: 'utf8', more: true },
      { result_id: 'res_1', chunk_seq: 1, data: 'o wo', encoding: 'utf8', more: true },
      { result_id: 'res_1', chunk_seq: 2, data: 'rld', encoding: 'utf8', more: false },
    ]);
    expect(producer.size).toBe(11);
    expect(producer.isEnded).toBe(true);
  });

  it('holds a full chunk back, so that a result of a whole number of chunks needs no empty one at its end', () => {
    const producer = chunker('utf8');
    expect(producer.write('abcd')).toEqual([]);
    expect(data(producer.write('e'))).toEqual(['abcd']);
    expect(data(producer.write('fgh'))).toEqual([]);
    expect(data(producer.end())).toEqual(['efgh']);
  });

  it('ends an empty result with one empty final chunk', () => {
    expect(chunker('base64').end()).toEqual([
      { result_id: 'res_1', chunk_seq: 0, data: '', encoding: 'base64', more: false },
    ]);
  });

  it('gives out what it holds when it is flushed, and nothing when it holds nothing', () => {
    const producer = chunker('utf8');
    producer.write('ab');
    expect(producer.flush()).toMatchObject([{ data: 'ab', chunk_seq: 0, more: true }]);
    expect(producer.flush()).toEqual([]);
    expect(producer.end()).toMatchObject([{ data: '', chunk_seq: 1, more: false }]);
  });

  it('never splits a surrogate pair: a high surrogate at the end of a write waits for the next (decision 19)', () => {
    const producer = chunker('utf8');
    expect(producer.write('a\ud83d')).toEqual([]);
    expect(producer.flush()).toMatchObject([{ data: 'a' }]);
    expect(producer.write('\ude00')).toEqual([]);
    expect(producer.end()).toMatchObject([{ data: '😀' }]);
    expect(producer.size).toBe(5);
  });

  it('ends a text chunk early rather than within a code point', () => {
    const producer = chunker('utf8', 5);
    expect(data([...producer.write('ab€€😀é'), ...producer.end()])).toEqual(['ab€', '€', '😀', 'é']);
  });

  it('takes UTF-8 bytes for text, cut anywhere', () => {
    const producer = chunker('utf8');
    const [a, b, c, d] = utf8('😀');
    const parts = [a, b, c, d].map((byte) => bytes(byte ?? 0));
    for (const part of parts) expect(producer.write(part)).toEqual([]);
    expect(producer.end()).toMatchObject([{ data: '😀' }]);
  });

  it('keeps a byte order mark', () => {
    const producer = chunker('utf8');
    producer.write(bytes(0xef, 0xbb, 0xbf));
    expect(producer.end()).toMatchObject([{ data: '\ufeff' }]);
  });

  it('takes text for base64 as its UTF-8, and copies bytes, which the caller may use again', () => {
    const producer = chunker('base64', 8);
    const buffer = utf8('ab');
    producer.write(buffer);
    buffer.fill(0);
    producer.write('é');
    expect(Buffer.from(decodeBase64(producer.end()[0].data)).toString()).toBe('abé');
  });

  it.each([
    ['a lone low surrogate', '\ude00'],
    ['a high surrogate without its other half', '\ud83dx'],
    ['two high surrogates', 'a\ud83d\ud83d\ude00'],
  ])('refuses %s and takes nothing of the write in', (_what, text) => {
    for (const encoding of ['utf8', 'base64'] as const) {
      const producer = chunker(encoding, 64);
      producer.write('before');
      expect(errorOf(ResultChunkError, () => producer.write(text)).kind).toBe('malformed_utf8');
      expect(producer.size).toBe(6);
      producer.write(' after');
      expect(producer.size).toBe(12);
    }
  });

  it('refuses to end on, or to go on with bytes after, a high surrogate that still waits', () => {
    const producer = chunker('utf8', 64);
    producer.write('a\ud83d');
    expect(errorOf(ResultChunkError, () => producer.end()).kind).toBe('malformed_utf8');
    expect(errorOf(ResultChunkError, () => producer.write(utf8('b'))).kind).toBe('malformed_utf8');
    expect(errorOf(ResultChunkError, () => producer.write('b')).kind).toBe('malformed_utf8');
    producer.write('');
    producer.write('\ude00');
    expect(data(producer.end())).toEqual(['a😀']);
  });

  it('refuses bytes that are not UTF-8 as text, and takes nothing of the write in', () => {
    const producer = chunker('utf8', 64);
    producer.write(bytes(0x61, 0xe2));
    for (const bad of [bytes(0xff), bytes(0x62), bytes(0x82, 0x62, 0xac), bytes(0xc0, 0x80)]) {
      expect(errorOf(ResultChunkError, () => producer.write(bad)).kind).toBe('invalid_utf8');
    }
    expect(errorOf(ResultChunkError, () => producer.write('text')).kind).toBe('invalid_utf8');
    expect(errorOf(ResultChunkError, () => producer.end()).kind).toBe('invalid_utf8');
    producer.write(bytes(0x82, 0xac));
    expect(data(producer.end())).toEqual(['a€']);
  });

  it('takes nothing after its end', () => {
    const producer = chunker('utf8');
    producer.end();
    expect(errorOf(ResultChunkError, () => producer.write('a'))).toMatchObject({ kind: 'after_final' });
    expect(errorOf(ResultChunkError, () => producer.end())).toMatchObject({ kind: 'after_final' });
  });

  it.each([0, 3, 4.5, NaN, 1024 * 1024 + 1])('has no chunks of %d bytes', (maxChunkBytes) => {
    expect(errorOf(ArcpError, () => chunker('utf8', maxChunkBytes)).code).toBe('INVALID_ARGUMENT');
  });
});

/** Cuts at the given places, in any order and repeatedly, empty pieces included. */
function cut<T>(
  whole: { readonly length: number; slice(from: number, to: number): T },
  places: readonly number[],
): T[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)), whole.length].toSorted(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, i) => whole.slice(at[i] ?? 0, end));
}

/** Runs the writes through a chunker, flushed where told, into an assembler, and checks the chunks on the way. */
function roundTrip(
  encoding: ResultChunkEncoding,
  maxChunkBytes: number,
  writes: readonly (string | Uint8Array)[],
  flushes: readonly boolean[],
): ResultChunkAssembler {
  const producer = chunker(encoding, maxChunkBytes);
  const assembler = new ResultChunkAssembler({ maxChunkBytes });
  const take = (chunks: readonly ResultChunk[]) => {
    for (const chunk of chunks) {
      expect(chunk.data.isWellFormed()).toBe(true);
      expect(assembler.push(chunk)).toBe(!chunk.more);
    }
  };
  for (const [i, write] of writes.entries()) {
    take(producer.write(write));
    if (flushes[i] === true) take(producer.flush());
  }
  expect(assembler.isFinished).toBe(false);
  take(producer.end());
  expect(producer.size).toBe(assembler.size);
  return assembler;
}

const chunkBytes = fc.integer({ min: 4, max: 40 });
const places = fc.array(fc.nat(400), { maxLength: 12 });
const flushes = fc.array(fc.boolean(), { maxLength: 13 });
const wellFormed = fc.string({
  unit: fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    fc.constantFrom('a', 'é', '€', '😀', '\ufeff'),
  ),
  maxLength: 60,
});

describe('laws of cutting and assembling', () => {
  it('any bytes, cut anywhere, come back identical through base64 chunks', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        chunkBytes,
        places,
        flushes,
        (whole, max, places, flushes) => {
          expect(roundTrip('base64', max, cut(whole, places), flushes).finish()).toEqual(whole);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('any text, cut anywhere, within surrogate pairs too, comes back identical through utf8 chunks', () => {
    fc.assert(
      fc.property(wellFormed, chunkBytes, places, flushes, (whole, max, places, flushes) => {
        expect(roundTrip('utf8', max, cut(whole, places), flushes).finishUtf8()).toBe(whole);
      }),
      { numRuns: 1000 },
    );
  });

  it('any UTF-8 bytes, cut anywhere, within code points too, come back identical through utf8 chunks', () => {
    fc.assert(
      fc.property(wellFormed, chunkBytes, places, flushes, (whole, max, places, flushes) => {
        expect(roundTrip('utf8', max, cut(utf8(whole), places), flushes).finish()).toEqual(utf8(whole));
      }),
      { numRuns: 1000 },
    );
  });

  it('any bytes at all are taken for text exactly when they are UTF-8', () => {
    const piece = fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.constantFrom('é', '€', '😀', 'a').map(utf8));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), places, (pieces, places) => {
        const whole = Uint8Array.from(pieces.flatMap((part) => [...part]));
        const isText = Buffer.from(Buffer.from(whole).toString('utf8')).equals(whole);
        const run = () => roundTrip('utf8', 8, cut(whole, places), []).finish();
        if (isText) expect(run()).toEqual(whole);
        else expect(errorOf(ResultChunkError, run).kind).toBe('invalid_utf8');
      }),
      { numRuns: 1000 },
    );
  });

  it('a chunk is as full as code points allow, unless it was flushed or is the last', () => {
    fc.assert(
      fc.property(wellFormed, chunkBytes, places, (whole, max, places) => {
        const producer = chunker('utf8', max);
        const full = cut(whole, places).flatMap((part) => producer.write(part));
        for (const { data } of full) expect(utf8(data).length).toBeGreaterThan(max - 4);
      }),
    );
  });
});
