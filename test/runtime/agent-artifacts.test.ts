/** Artifacts of agents: `ctx.artifact`, `ctx.fetchArtifact`, and results that are artifacts. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import {
  defineAgent,
  memoryStore,
  type ArtifactRef,
  type JobContext,
  type RuntimeOptions,
} from '../../src/index.js';
import { fetchAll, idOfPut, put } from './artifact-client.js';
import { bench } from './bench.js';

type Run = (ctx: JobContext, input: unknown) => unknown;

function hosting(agents: Readonly<Record<string, Run>>, options: Omit<RuntimeOptions, 'clock'> = {}) {
  return bench({
    ...options,
    agents: Object.entries(agents).map(([name, run]) =>
      defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) }),
    ),
  });
}

/** Runs one agent as `ada`, and gives its end and what was told of its artifacts. */
async function run(agent: Run, options: Omit<RuntimeOptions, 'clock'> = {}) {
  const store = memoryStore();
  await using test = hosting({ it: agent }, { ...options, store });
  const client = await test.open();
  const { type, payload } = await client.terminal(await client.accepted('it'));
  const told = client.events().filter((frame) => frame.type === 'artifact.ref');
  return { type, payload, told, kept: await store.blobs.list() };
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('ctx.artifact', () => {
  it('keeps what a stream gives, for the principal of the job, whose watchers are told', async () => {
    const content = randomBytes(300_000);
    await using test = hosting(
      {
        it: (ctx) =>
          ctx.artifact(Readable.from([content.subarray(0, 7), content.subarray(7)]), {
            mediaType: 'image/png',
            retainSeconds: 60,
          }),
      },
      { limits: { maxChunkBytes: 65_536 } },
    );
    const client = await test.open();
    const jobId = await client.accepted('it');
    const { payload } = await client.terminal(jobId);
    const ref = (payload as { value: ArtifactRef }).value;
    expect(ref).toMatchObject({ media_type: 'image/png', size: 300_000, sha256: digest(content) });
    expect(ref.expires_at).toBe('2026-01-01T00:01:00.000Z');
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started', 'artifact.ref', 'job.completed']);
    const [told] = client.seen('artifact.ref');
    expect(told).toMatchObject({ job_id: jobId, event_seq: 3, payload: { ...ref, artifact: ref } });
    expect((await fetchAll(await test.open(), ref.artifact_id, 65_536)).equals(content)).toBe(true);
    await expect(fetchAll(await test.open('bob'), ref.artifact_id, 10)).rejects.toThrow(/another principal/);
  });

  it('takes text and bytes, and says what they are where the agent does not', async () => {
    const { payload } = await run(async (ctx) => [
      await ctx.artifact('héllo'),
      await ctx.artifact(Buffer.of(1)),
    ]);
    expect(payload).toMatchObject({
      value: [
        { media_type: 'text/plain; charset=utf-8', size: 6 },
        { media_type: 'application/octet-stream', size: 1 },
      ],
    });
  });

  it.each<[string, Run, string]>([
    ['that is no content', (ctx) => ctx.artifact(5 as never), 'INVALID_ARGUMENT'],
    ['with a lone surrogate', (ctx) => ctx.artifact('\ud800'), 'INVALID_ARGUMENT'],
    ['for a negative time', (ctx) => ctx.artifact('a', { retainSeconds: -1 }), 'INVALID_ARGUMENT'],
    ['of no media type', (ctx) => ctx.artifact('a', { mediaType: '' }), 'INVALID_ARGUMENT'],
    ['over the limit', (ctx) => ctx.artifact('a'.repeat(1_001)), 'RESOURCE_EXHAUSTED'],
    [
      'whose source fails',
      (ctx) =>
        ctx.artifact(
          (async function* () {
            yield await Promise.resolve(Buffer.alloc(500));
            throw new RangeError('the disk is gone');
          })(),
        ),
      'INTERNAL',
    ],
  ])('rejects what is put %s, and keeps nothing of it', async (_what, agent, code) => {
    const { type, payload, told, kept } = await run(agent, {
      limits: { maxArtifactBytes: 1_000, maxChunkBytes: 100 },
    });
    expect({ type, payload, told, kept }).toMatchObject({
      type: 'job.failed',
      payload: { code },
      told: [],
      kept: [],
    });
  });

  it('is refused when the job is over', async () => {
    const late: Promise<unknown>[] = [];
    await using test = hosting({
      it: (ctx) => {
        setImmediate(() => {
          late.push(ctx.artifact('late'), ctx.fetchArtifact('art_1'), ctx.releaseArtifact('art_1'));
        });
      },
    });
    const client = await test.open();
    await client.terminal(await client.accepted('it'));
    await test.clock.settle();
    for (const one of late) await expect(one).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(late).toHaveLength(3);
  });

  it('makes many at once, each whole', async () => {
    const { payload } = await run(
      async (ctx) => {
        const refs = await Promise.all(
          Array.from({ length: 20 }, (_, n) => ctx.artifact(String(n).repeat(50))),
        );
        return Promise.all(refs.map(async (ref) => (await ctx.fetchArtifact(ref)).text()));
      },
      { limits: { maxArtifactPartsInFlight: 4 } },
    );
    expect(payload).toEqual({ value: Array.from({ length: 20 }, (_, n) => String(n).repeat(50)) });
  });
});

describe('ctx.fetchArtifact', () => {
  it('reads what a client put, piece by piece, and may release it', async () => {
    await using test = hosting(
      {
        it: async (ctx, input) => {
          const artifact = await ctx.fetchArtifact(input as string);
          const pieces: number[] = [];
          for await (const piece of artifact) pieces.push(piece.length);
          await ctx.releaseArtifact(artifact.ref);
          return [pieces, await (await ctx.fetchArtifact(input as string)).text().catch(String)];
        },
      },
      { limits: { maxChunkBytes: 4 } },
    );
    const client = await test.open();
    await put(client, 'one ', { upload_id: 'u', more: true });
    const id = await idOfPut(client, 'two', { upload_id: 'u', offset: 4 });
    expect(await client.terminal(await client.accepted('it', id))).toMatchObject({
      type: 'job.failed',
      payload: { code: 'NOT_FOUND' },
    });
  });

  it('is for the job’s principal only (T2)', async () => {
    await using test = hosting({
      it: async (ctx, input) => (await ctx.fetchArtifact(input as string)).text(),
    });
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    const id = await idOfPut(ada, 'hers');
    expect(await ada.terminal(await ada.accepted('it', id))).toMatchObject({ payload: { value: 'hers' } });
    expect(await bob.terminal(await bob.accepted('it', id))).toMatchObject({
      payload: { code: 'PERMISSION_DENIED' },
    });
  });

  it('is DATA_LOSS where the content is another than its hash says', async () => {
    const store = memoryStore();
    await using test = hosting(
      { it: async (ctx, input) => (await ctx.fetchArtifact(input as string)).text() },
      { store },
    );
    const client = await test.open();
    const id = await idOfPut(client, 'right');
    await store.blobs.write(id, 0, Buffer.from('wrong'), true);
    expect(await client.terminal(await client.accepted('it', id))).toMatchObject({
      payload: { code: 'DATA_LOSS' },
    });
  });
});

describe('a result as an artifact', () => {
  it('is named by job.completed, and nothing else is told of it', async () => {
    const content = randomBytes(2_500_000);
    const { type, payload, told, kept } = await run(async (ctx) => {
      await pipeline(Readable.from([content]), ctx.openResult({ as: 'artifact', mediaType: 'image/png' }));
      ctx.summarize('a picture');
    });
    expect(type).toBe('job.completed');
    expect(payload).toMatchObject({
      result_ref: { media_type: 'image/png', size: content.length, sha256: digest(content) },
      summary: 'a picture',
    });
    expect(payload).not.toHaveProperty('value');
    expect(payload).not.toHaveProperty('result_id');
    expect(told).toEqual([]);
    expect(kept).toHaveLength(1);
  });

  it('is waited for where the agent ends the stream and returns at once, and may be empty', async () => {
    const { payload } = await run((ctx) => void ctx.openResult({ as: 'artifact' }).end());
    expect(payload).toMatchObject({ result_ref: { size: 0, sha256: digest(Buffer.alloc(0)) } });
  });

  it.each<[string, Run, string]>([
    [
      'that is never ended',
      (ctx) => {
        ctx.openResult({ as: 'artifact' }).write('a');
      },
      'FAILED_PRECONDITION',
    ],
    [
      'beside a value',
      async (ctx) => {
        await once(ctx.openResult({ as: 'artifact' }).end('a'), 'finish');
        return 'b';
      },
      'FAILED_PRECONDITION',
    ],
    [
      'beside chunks',
      async (ctx) => {
        await once(ctx.openResult({ as: 'artifact' }).end('a'), 'finish');
        ctx.openResult().end('b');
      },
      'FAILED_PRECONDITION',
    ],
    [
      'with text that is not Unicode',
      (ctx) => void ctx.openResult({ as: 'artifact' }).end('\ud800'),
      'INVALID_ARGUMENT',
    ],
    [
      'over the limit',
      (ctx) => void ctx.openResult({ as: 'artifact' }).end(Buffer.alloc(1_001)),
      'RESOURCE_EXHAUSTED',
    ],
  ])('%s fails the job', async (_what, agent, code) => {
    const { type, payload } = await run(agent, { limits: { maxArtifactBytes: 1_000 } });
    expect({ type, payload }).toMatchObject({ type: 'job.failed', payload: { code } });
  });

  it('is released where its source fails in the middle', async () => {
    const { payload, kept } = await run(async (ctx) => {
      const source = Readable.from(
        (async function* () {
          yield await Promise.resolve(Buffer.alloc(2_000_000));
          throw new RangeError('the disk is gone');
        })(),
      );
      await pipeline(source, ctx.openResult({ as: 'artifact' })).catch(() => undefined);
      await ctx.fetchArtifact('art_none').catch(() => undefined);
      throw new Error('no result');
    });
    expect(payload).toMatchObject({ code: 'INTERNAL', message: 'no result' });
    expect(kept).toEqual([]);
  });

  it('of a child is its parent’s to read, since both are of one principal', async () => {
    await using test = hosting({
      parent: async (ctx) => {
        const outcome = await (await ctx.delegate('child')).outcome;
        if (outcome.status !== 'completed' || outcome.resultRef === undefined) return outcome;
        return (await ctx.fetchArtifact(outcome.resultRef)).text();
      },
      child: (ctx) => void ctx.openResult({ as: 'artifact' }).end('from the child'),
    });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('parent'))).toMatchObject({
      payload: { value: 'from the child' },
    });
  });

  it('is fetched by the client that started the job', async () => {
    await using test = hosting({ it: (ctx) => void ctx.openResult({ as: 'artifact' }).end('the result') });
    const client = await test.connect({ principal: 'ada' });
    const { resultRef } = await (await client.invoke('it')).result();
    if (resultRef === undefined) throw new Error('there is no reference');
    expect(await (await client.artifacts.fetch(resultRef)).text()).toBe('the result');
  });
});
