/** Streamed results: assembled, or taken piece by piece. Each test pins one way in which they can be wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResultChunkError, type ConnectOptions } from '../../src/client/index.js';
import { encodeBase64, ResultChunker, type Payload, type ResultChunk } from '../../src/protocol/index.js';
import { drain, FakeRuntime, rejection, turn, type FakeConnection } from './fake-runtime.js';

type Completed = Payload<'job.completed'>;

const SECTIONS = ['Section 1: hello ', 'Section 2: world ', 'Section 3: end'];

async function invoked(options: ConnectOptions = {}) {
  const runtime = new FakeRuntime();
  const { client, connection } = await runtime.open(options);
  const invoking = client.invoke('report-builder');
  await connection.acceptJob('job_1');
  return { runtime, client, connection, job: await invoking };
}

function chunk(chunk_seq: number, fields: Partial<ResultChunk> = {}): ResultChunk {
  const more = chunk_seq < 2;
  return {
    result_id: 'res_1',
    chunk_seq,
    data: SECTIONS[chunk_seq] ?? '',
    encoding: 'utf8',
    more,
    ...fields,
  };
}

function stream(connection: FakeConnection, chunks: readonly ResultChunk[], completed?: Completed): void {
  for (const one of chunks) connection.event('job.result_chunk', one, { job_id: 'job_1' });
  connection.complete('job_1', completed ?? { result_id: 'res_1', result_size: 48 });
}

const GOOD = [chunk(0), chunk(1), chunk(2)];

describe('result', () => {
  it('is assembled, with its id and its size in bytes', async () => {
    const { connection, job } = await invoked();
    stream(connection, GOOD, { result_id: 'res_1', result_size: 48, summary: 'three sections' });
    const { summary, result, value } = await job.result();
    expect(result).toMatchObject({ id: 'res_1', size: 48, encoding: 'utf8' });
    expect(result?.text()).toBe('Section 1: hello Section 2: world Section 3: end');
    expect(result?.bytes).toHaveLength(48);
    expect(summary).toBe('three sections');
    expect(value).toBeUndefined();
  });

  it('is the same for everybody who asks, and may be asked for before the end', async () => {
    const { connection, job } = await invoked();
    const early = job.result();
    stream(connection, GOOD);
    expect(await job.result()).toBe(await early);
  });

  it('is any bytes, cut anywhere, unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 2_000 }),
        fc.integer({ min: 1, max: 700 }),
        async (bytes, size) => {
          const { connection, job, client } = await invoked();
          const chunks: ResultChunk[] = [];
          for (let at = 0; at === 0 || at < bytes.length; at += size) {
            const data = encodeBase64(bytes.subarray(at, at + size));
            const more = at + size < bytes.length;
            chunks.push({ result_id: 'res_1', chunk_seq: chunks.length, data, encoding: 'base64', more });
          }
          stream(connection, chunks, { result_id: 'res_1', result_size: bytes.length });
          expect((await job.result()).result?.bytes).toEqual(bytes);
          connection.reply('session.closed', {});
          await client.close();
        },
      ),
      { numRuns: 30 },
    );
  });

  it.each<[string, ResultChunk[], Completed | undefined, object]>([
    ['chunks are out of order', [chunk(0), chunk(2), chunk(1)], undefined, { kind: 'out_of_order' }],
    ['the first chunk is missing', [chunk(1), chunk(2)], undefined, { kind: 'out_of_order' }],
    ['a chunk comes twice', [chunk(0), chunk(0), chunk(1), chunk(2)], undefined, { kind: 'out_of_order' }],
    ['the final chunk is missing', [chunk(0), chunk(1)], undefined, { kind: 'not_final' }],
    ['a chunk follows the final one', [...GOOD, chunk(3)], undefined, { kind: 'after_final' }],
    [
      'two results are mixed',
      [chunk(0), chunk(1, { result_id: 'res_2' })],
      undefined,
      { kind: 'result_id_mismatch' },
    ],
    [
      'encodings are mixed',
      [chunk(0), chunk(1, { encoding: 'base64' })],
      undefined,
      { kind: 'encoding_mismatch' },
    ],
    ['base64 is none', [chunk(0, { encoding: 'base64', data: '!' })], undefined, { kind: 'base64_decode' }],
    ['another result is meant', GOOD, { result_id: 'res_9' }, { kind: 'result_id_mismatch' }],
    ['the size is another', GOOD, { result_id: 'res_1', result_size: 47 }, { code: 'DATA_LOSS' }],
    ['no chunk came at all', [], { result_id: 'res_1', result_size: 48 }, { code: 'DATA_LOSS' }],
  ])('rejects when %s, and so does chunks()', async (_, chunks, completed, expected) => {
    const assembled = await invoked();
    stream(assembled.connection, chunks, completed);
    const error = await rejection(assembled.job.result());
    expect(error).toMatchObject(expected);
    if ('kind' in expected) expect(error).toBeInstanceOf(ResultChunkError);

    const taken = await invoked();
    const reading = drain(taken.job.chunks());
    stream(taken.connection, chunks, completed);
    expect((await reading).error).toMatchObject(expected);
    expect(await rejection(taken.job.result())).toMatchObject(expected);
  });

  it("rejects with the job's own error, not with its chunks', when it fails", async () => {
    const { connection, job } = await invoked();
    connection.event('job.result_chunk', chunk(1), { job_id: 'job_1' });
    connection.event(
      'job.failed',
      { code: 'OUT_OF_RANGE', message: 'chunk 1 before 0' },
      { job_id: 'job_1' },
    );
    expect(await rejection(job.result())).toMatchObject({
      code: 'OUT_OF_RANGE',
      message: 'chunk 1 before 0',
    });
  });

  it('rejects an oversized result and holds none of it (law L7)', async () => {
    const { connection, job } = await invoked({ limits: { maxResultBytes: 1_000 } });
    const data = 'x'.repeat(400);
    stream(
      connection,
      [0, 1, 2].map((seq) => chunk(seq, { data })),
    );
    expect(await rejection(job.result())).toMatchObject({
      kind: 'result_too_large',
      code: 'RESOURCE_EXHAUSTED',
    });
  });

  it('counts empty chunks, so that they cannot be held without end (law L7)', async () => {
    const { connection, job } = await invoked({ limits: { maxResultBytes: 640 } });
    stream(
      connection,
      Array.from({ length: 11 }, (_, seq) => chunk(seq, { data: '', more: true })),
    );
    expect(await rejection(job.result())).toMatchObject({ kind: 'result_too_large' });
  });

  it('is assembled across a resume', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open({ resumeToken: 'rt_1' });
    const invoking = client.invoke('report-builder');
    await connection.acceptJob('job_1');
    const job = await invoking;
    connection.event('job.result_chunk', chunk(0), { job_id: 'job_1' });
    await turn();
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    second.reply('job.result_chunk', chunk(0), { job_id: 'job_1', event_seq: 2 });
    stream(second, [chunk(1), chunk(2)]);
    expect((await job.result()).result?.size).toBe(48);
  });

  it('of a job that is cancelled is CANCELLED, with the reason', async () => {
    const { connection, job } = await invoked();
    connection.event('job.cancelled', { reason: 'enough', source: 'client' }, { job_id: 'job_1' });
    expect(await rejection(job.result())).toMatchObject({ code: 'CANCELLED', message: 'enough' });
  });
});

describe('chunks', () => {
  const text = (pieces: readonly Uint8Array[]): string => new TextDecoder().decode(Buffer.concat(pieces));

  it('come decoded as they arrive, and need not be held', async () => {
    const { connection, job } = await invoked();
    const pieces = job.chunks();
    connection.event('job.result_chunk', chunk(0), { job_id: 'job_1' });
    expect(text([(await pieces.next()).value ?? new Uint8Array()])).toBe(SECTIONS[0]);
    stream(connection, [chunk(1), chunk(2)]);
    expect((await drain(pieces)).items).toHaveLength(2);
    const { result } = await job.result();
    expect(result).toMatchObject({ id: 'res_1', size: 48 });
    expect(() => result?.bytes).toThrow(expect.objectContaining({ code: 'FAILED_PRECONDITION' }));
    expect(() => result?.text()).toThrow(expect.objectContaining({ code: 'FAILED_PRECONDITION' }));
  });

  it('include those that came before somebody asked, and those of a job that has ended', async () => {
    const { connection, job } = await invoked();
    stream(connection, GOOD);
    await turn();
    const { items, error } = await drain(job.chunks());
    expect(error).toBeUndefined();
    expect(text(items)).toBe(SECTIONS.join(''));
  });

  it('are the whole at once after result() has assembled it', async () => {
    const { connection, job } = await invoked();
    stream(connection, GOOD);
    await job.result();
    expect(text((await drain(job.chunks())).items)).toBe(SECTIONS.join(''));
  });

  it('are of the job’s only reader', async () => {
    const { connection, job } = await invoked();
    const first = drain(job.chunks());
    expect((await drain(job.chunks())).error).toMatchObject({ code: 'FAILED_PRECONDITION' });
    stream(connection, GOOD);
    expect((await first).error).toBeUndefined();
  });

  it('are none where a job streams nothing', async () => {
    const { connection, job } = await invoked();
    const reading = drain(job.chunks());
    connection.complete('job_1', { value: 1 });
    expect(await reading).toEqual({ items: [], error: undefined });
    expect(await job.result()).toEqual({ value: 1 });
  });

  it("end with the job's error when it fails in between", async () => {
    const { connection, job } = await invoked();
    const reading = drain(job.chunks());
    connection.event('job.result_chunk', chunk(0), { job_id: 'job_1' });
    connection.event('job.failed', { code: 'INTERNAL', message: 'crash' }, { job_id: 'job_1' });
    const { items, error } = await reading;
    expect(text(items)).toBe(SECTIONS[0]);
    expect(error).toMatchObject({ code: 'INTERNAL', message: 'crash' });
  });

  it('take what our own producer cuts', async () => {
    const { connection, job } = await invoked();
    const original = 'Grüße, 🦊! '.repeat(100);
    const chunker = new ResultChunker({ resultId: 'res_1', encoding: 'utf8', maxChunkBytes: 16 });
    const chunks = [...chunker.write(original), ...chunker.end()];
    const reading = drain(job.chunks());
    const result_size = new TextEncoder().encode(original).length;
    stream(connection, chunks, { result_id: 'res_1', result_size });
    expect(text((await reading).items)).toBe(original);
  });
});
