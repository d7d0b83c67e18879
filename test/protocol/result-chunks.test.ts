/** The tests of execution.rs `result_chunk_tests` are among the fixtures; the laws are below them. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBase64 } from '../../src/protocol/base64.js';
import { ArcpError } from '../../src/protocol/errors.js';
import {
  RESULT_CHUNK_FAULTS,
  ResultChunkAssembler,
  ResultChunkError,
  ResultChunkSequence,
  type ResultChunk,
  type ResultChunkErrorDetails,
  type ResultChunkFault,
  type ResultChunkLimits,
} from '../../src/protocol/result-chunks.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { errorOf } from './error-of.js';
import { SeedAssembler } from './seed-model.js';

interface Failure {
  readonly error: ResultChunkErrorDetails & { readonly kind: ResultChunkFault; readonly code: string };
}

interface Case {
  readonly input: {
    readonly limits?: ResultChunkLimits;
    readonly chunks: readonly (Omit<ResultChunk, 'data'> & {
      readonly data: string | { readonly utf16: readonly number[] };
    })[];
  };
  readonly expect: {
    readonly pushes: readonly ('more' | 'final' | Failure)[];
    readonly result_id?: string;
    readonly encoding?: string;
    readonly finish: { readonly hex: string } | Failure;
    readonly text?: string | Failure;
  };
}

type Receiver = Pick<ResultChunkSequence, 'push' | 'resultId' | 'encoding' | 'size' | 'isFinished'>;

/** What a push answered, or how it failed; a failure must have changed nothing but the settled id and encoding. */
function outcomeOf(receiver: Receiver, chunk: ResultChunk): 'more' | 'final' | ResultChunkError {
  const { size, isFinished } = receiver;
  try {
    return receiver.push(chunk) ? 'final' : 'more';
  } catch (error) {
    if (!(error instanceof ResultChunkError)) throw error;
    expect({ size: receiver.size, isFinished: receiver.isFinished }).toEqual({ size, isFinished });
    return error;
  }
}

function expectFailure(error: unknown, { error: { kind, code, ...details } }: Failure): void {
  expect(error).toBeInstanceOf(ResultChunkError);
  expect(error).toBeInstanceOf(ArcpError);
  expect(error).toMatchObject({ kind, code, retryable: false, details: { kind, ...details } });
}

describe.each([
  ['ResultChunkAssembler', (limits?: ResultChunkLimits) => new ResultChunkAssembler(limits)],
  ['ResultChunkSequence', (limits?: ResultChunkLimits) => new ResultChunkSequence(limits)],
])('%s', (_name, create) => {
  it.each(fixtureCases<Case>('result-chunks.json'))('$id: $shows', ({ input, expect: expected }) => {
    const receiver = create(input.limits);
    for (const [i, chunk] of input.chunks.entries()) {
      const data = typeof chunk.data === 'string' ? chunk.data : String.fromCharCode(...chunk.data.utf16);
      const outcome = outcomeOf(receiver, { ...chunk, data });
      const wanted = expected.pushes[i];
      if (typeof wanted === 'object') expectFailure(outcome, wanted);
      else expect(outcome).toBe(wanted);
    }
    expect(receiver.resultId).toBe(expected.result_id);
    expect(receiver.encoding).toBe(expected.encoding);
    expect(receiver.isFinished).toBe('hex' in expected.finish);
    if ('hex' in expected.finish) expect(receiver.size).toBe(expected.finish.hex.length / 2);
    if (!(receiver instanceof ResultChunkAssembler)) return;
    if ('hex' in expected.finish) {
      expect(Buffer.from(receiver.finish()).toString('hex')).toBe(expected.finish.hex);
    } else {
      expectFailure(
        errorOf(ResultChunkError, () => receiver.finish()),
        expected.finish,
      );
      expectFailure(
        errorOf(ResultChunkError, () => receiver.finishUtf8()),
        expected.finish,
      );
    }
    if (typeof expected.text === 'string') expect(receiver.finishUtf8()).toBe(expected.text);
    else if (expected.text !== undefined) {
      expectFailure(
        errorOf(ResultChunkError, () => receiver.finishUtf8()),
        expected.text,
      );
    }
  });

  it('takes 1 MiB a chunk and 256 MiB in all unless told otherwise (decision 24)', () => {
    const receiver = create();
    const mebibyte = 'a'.repeat(1 << 20);
    const chunk = { result_id: 'r', chunk_seq: 0, encoding: 'utf8', more: true } as const;
    expect(outcomeOf(receiver, { ...chunk, data: `${mebibyte}a` })).toMatchObject({
      kind: 'chunk_too_large',
    });
    if (receiver instanceof ResultChunkAssembler) return;
    for (let seq = 0; seq < 256; seq++) receiver.push({ ...chunk, chunk_seq: seq, data: mebibyte });
    expect(outcomeOf(receiver, { ...chunk, chunk_seq: 256, data: 'a' })).toMatchObject({
      kind: 'result_too_large',
    });
    expect(outcomeOf(receiver, { ...chunk, chunk_seq: 256, data: '', more: false })).toBe('final');
  });

  it('takes no sequence number that is not the very next whole number', () => {
    for (const seq of [NaN, 0.5, -1, 2 ** 53, Infinity]) {
      const chunk = { result_id: 'r', chunk_seq: seq, data: '', encoding: 'utf8', more: true } as const;
      expect(outcomeOf(create(), chunk)).toMatchObject({ kind: 'out_of_order' });
    }
  });
});

describe('ResultChunkAssembler', () => {
  it('keeps a result of many tiny chunks in little more than its own size (L7)', () => {
    const assembler = new ResultChunkAssembler();
    const chunk = { result_id: 'r', encoding: 'base64', more: true } as const;
    const count = 200_000;
    for (let seq = 0; seq < count; seq++) {
      assembler.push({ ...chunk, chunk_seq: seq, data: seq % 2 === 0 ? 'YQ==' : '' });
    }
    assembler.push({ ...chunk, chunk_seq: count, data: '', more: false });
    expect(assembler.finishUtf8()).toBe('a'.repeat(count / 2));
    expect(assembler.finish().buffer.byteLength).toBe(count / 2);
  });

  it('gives the same bytes every time it is asked', () => {
    const assembler = new ResultChunkAssembler();
    assembler.push({ result_id: 'r', chunk_seq: 0, data: 'a', encoding: 'utf8', more: true });
    assembler.push({ result_id: 'r', chunk_seq: 1, data: 'b', encoding: 'utf8', more: false });
    expect(assembler.finish()).toBe(assembler.finish());
    expect(assembler.finishUtf8()).toBe('ab');
  });

  it('names the base64 fault as the cause of its own error', () => {
    const assembler = new ResultChunkAssembler();
    const push = () =>
      assembler.push({ result_id: 'r', chunk_seq: 0, data: 'A*', encoding: 'base64', more: true });
    const error = errorOf(ResultChunkError, push);
    expect(error.cause).toMatchObject({ fault: 'character', offset: 1 });
    expect(error.message).toContain('invalid character at 1');
  });
});

const encoding = fc.constantFrom('utf8' as const, 'base64' as const);
const text = fc.string({ unit: 'grapheme', maxLength: 6 });

function chunksOf(parts: readonly string[], encoding: 'utf8' | 'base64'): ResultChunk[] {
  return parts.map((part, seq) => ({
    result_id: 'res_1',
    chunk_seq: seq,
    data: encoding === 'utf8' ? part : encodeBase64(new TextEncoder().encode(part)),
    encoding,
    more: seq < parts.length - 1,
  }));
}

function stateOf(receiver: ResultChunkSequence): unknown {
  const { resultId, encoding, nextSeq, size, isFinished } = receiver;
  return { resultId, encoding, nextSeq, size, isFinished };
}

describe('laws of result chunks', () => {
  it('any order but the right one fails at its first wrong chunk and changes nothing, and the right rest succeeds', () => {
    const shuffled = fc
      .array(text, { minLength: 2, maxLength: 8 })
      .chain((parts) =>
        fc.record({
          parts: fc.constant(parts),
          order: fc.shuffledSubarray([...parts.keys()], { minLength: parts.length }),
        }),
      )
      .filter(({ order }) => order.some((seq, i) => seq !== i));
    fc.assert(
      fc.property(shuffled, encoding, ({ parts, order }, encoding) => {
        const chunks = chunksOf(parts, encoding);
        const assembler = new ResultChunkAssembler();
        const sequence = new ResultChunkSequence();
        const firstWrong = order.findIndex((seq, i) => seq !== i);
        for (const chunk of chunks.slice(0, firstWrong)) {
          expect(outcomeOf(assembler, chunk)).toBe('more');
          expect(outcomeOf(sequence, chunk)).toBe('more');
        }
        const before = stateOf(sequence);
        for (const seq of order.slice(firstWrong).filter((seq) => seq !== firstWrong)) {
          const chunk = chunks[seq];
          if (chunk === undefined) throw new Error('no such chunk');
          const failure = {
            kind: 'out_of_order',
            code: firstWrong === 0 ? 'FAILED_PRECONDITION' : 'OUT_OF_RANGE',
            details: { expected: firstWrong, got: seq },
          };
          expect(outcomeOf(assembler, chunk)).toMatchObject(failure);
          expect(outcomeOf(sequence, chunk)).toMatchObject(failure);
          expect(stateOf(sequence)).toEqual(before);
        }
        for (const chunk of chunks.slice(firstWrong)) {
          expect(outcomeOf(assembler, chunk)).toBe(chunk.more ? 'more' : 'final');
          expect(outcomeOf(sequence, chunk)).toBe(chunk.more ? 'more' : 'final');
        }
        expect(assembler.finishUtf8()).toBe(parts.join(''));
        expect(sequence.size).toBe(assembler.finish().length);
      }),
    );
  });

  it('assembler and sequence answer any sequence of chunks as execution.rs answers it', () => {
    const chunk = fc.record({
      result_id: fc.oneof(
        { weight: 8, arbitrary: fc.constant('r') },
        { weight: 1, arbitrary: fc.constant('s') },
      ),
      chunk_seq: fc.nat(5),
      data: fc.constantFrom('aGk=', 'aGk', '*', '', 'AA==', 'A A==\n', '=', '====', 'AAAA====', 'aG=k'),
      encoding: fc.oneof({ weight: 4, arbitrary: fc.constant('base64' as const) }, encoding),
      more: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.boolean()),
    });
    /** With `follow`, the number is replaced by the right one, so that sequences get somewhere. */
    const steps = fc.array(fc.record({ chunk, follow: fc.boolean() }), { maxLength: 20 });
    fc.assert(
      fc.property(steps, (steps) => {
        const model = new SeedAssembler();
        const receivers = [new ResultChunkAssembler(), new ResultChunkSequence()];
        for (const { chunk, follow } of steps) {
          const sent = follow ? { ...chunk, chunk_seq: model.nextSeq } : chunk;
          const expected = model.push(sent);
          for (const receiver of receivers) {
            const outcome = outcomeOf(receiver, sent);
            expect(typeof outcome === 'string' ? outcome : outcome.kind).toBe(expected);
            expect(receiver.resultId).toBe(model.resultId);
            expect(receiver.encoding).toBe(model.encoding);
            expect(receiver.size).toBe(model.buffer.length);
            expect(receiver.isFinished).toBe(model.finished);
          }
        }
        const [assembler] = receivers;
        if (model.finished && assembler instanceof ResultChunkAssembler) {
          expect([...assembler.finish()]).toEqual(model.buffer);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('an invalid character anywhere is the base64 error of that very chunk, and its correction is taken', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.nat(),
        fc.constantFrom('-', '*', '\u000b', 'é', '\ud800'),
        (parts, whichChunk, whichPlace, character) => {
          const chunks = chunksOf(parts, 'base64');
          const seq = whichChunk % chunks.length;
          const assembler = new ResultChunkAssembler();
          for (const chunk of chunks) {
            if (chunk.chunk_seq === seq) {
              const at = whichPlace % chunk.data.length;
              const data = chunk.data.slice(0, at) + character + chunk.data.slice(at + 1);
              expect(outcomeOf(assembler, { ...chunk, data })).toMatchObject({
                kind: 'base64_decode',
                code: 'INVALID_ARGUMENT',
                details: { seq },
              });
              expect(assembler.resultId).toBe('res_1');
              expect(assembler.encoding).toBe('base64');
            }
            expect(outcomeOf(assembler, chunk)).toBe(chunk.more ? 'more' : 'final');
          }
          expect(assembler.finishUtf8()).toBe(parts.join(''));
        },
      ),
    );
  });

  it('a lone surrogate anywhere is refused in its chunk and never replaced (decision 19)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 8 }), (data) => {
        const chunk = { result_id: 'r', chunk_seq: 0, data, encoding: 'utf8', more: false } as const;
        const assembler = new ResultChunkAssembler();
        const expected = data.isWellFormed() ? 'final' : { kind: 'malformed_utf8', details: { seq: 0 } };
        for (const receiver of [assembler, new ResultChunkSequence()]) {
          const outcome = outcomeOf(receiver, chunk);
          if (typeof expected === 'string') expect(outcome).toBe(expected);
          else expect(outcome).toMatchObject(expected);
        }
        if (assembler.isFinished) expect(assembler.finishUtf8()).toBe(data);
      }),
      { numRuns: 1000 },
    );
  });

  it('a text of the assembler is UTF-8, or it says so with an error of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
        const assembler = new ResultChunkAssembler();
        const data = encodeBase64(bytes);
        assembler.push({ result_id: 'r', chunk_seq: 0, data, encoding: 'base64', more: false });
        const lenient = Buffer.from(bytes).toString('utf8');
        if (Buffer.from(lenient).equals(bytes)) expect(assembler.finishUtf8()).toBe(lenient);
        else expect(errorOf(ResultChunkError, () => assembler.finishUtf8()).kind).toBe('invalid_utf8');
      }),
      { numRuns: 1000 },
    );
  });

  it('every kind of failure is shown by a fixture', () => {
    const shown = new Set<string>();
    for (const { expect: expected } of fixtureCases<Case>('result-chunks.json')) {
      for (const outcome of [...expected.pushes, expected.finish, expected.text]) {
        if (typeof outcome === 'object' && 'error' in outcome) shown.add(outcome.error.kind);
      }
    }
    expect([...shown].toSorted()).toEqual(Object.keys(RESULT_CHUNK_FAULTS).toSorted());
  });
});
