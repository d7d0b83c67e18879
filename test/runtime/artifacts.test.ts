/** Artifacts: put as a whole or in parts, fetched, released, forgotten (RFC 0001 §16, laws L2, L6 and L7). */
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/index.js';
import { wrapStore } from '../store/wrapped-store.js';
import { base64, fetch, fetchAll, idOfPut, put, release, sha256 } from './artifact-client.js';
import { bench } from './bench.js';

const MIB = 1_048_576;

describe('an artifact that fits one message', () => {
  it('is answered with its reference, nested and flat, and comes back as it was', async () => {
    await using test = bench();
    const client = await test.open();
    const answer = await put(client, 'héllo', { sha256: sha256('héllo').toUpperCase(), retain_seconds: 60 });
    if (answer.type !== 'artifact.ref') throw new Error('refused');
    const { artifact_id: id } = answer.payload;
    const fields = {
      artifact_id: id,
      uri: `arcp://artifact/${id}`,
      media_type: 'text/plain',
      size: 6,
      sha256: sha256('héllo'),
      expires_at: '2026-01-01T00:01:00.000Z',
    };
    expect(answer.payload).toEqual({ ...fields, artifact: fields });
    expect(answer.event_seq).toBeUndefined();
    const fetched = await fetch(client, id);
    expect(fetched.payload).toEqual({
      artifact_id: id,
      media_type: 'text/plain',
      data: base64('héllo'),
      encoding: 'base64',
      sha256: sha256('héllo'),
      size: 6,
    });
  });

  it('may be empty, and may be as large as a message holds', async () => {
    await using test = bench();
    const client = await test.open();
    const empty = await idOfPut(client, '');
    expect((await fetch(client, empty)).payload).toMatchObject({ data: '', size: 0 });
    const full = Buffer.alloc(MIB, 7);
    const fetched = await fetch(client, await idOfPut(client, full));
    expect(fetched.payload).toMatchObject({ data: base64(full), size: MIB });
  });

  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ['data that is not base64', { data: '?' }, /not base64/],
    ['data without its padding', { data: 'aGk' }, /padded/],
    ['a hash that is none', { sha256: 'ab' }, /sha256/],
    ['a hash that is another', { sha256: '0'.repeat(64) }, /sha256/],
    ['a part without an upload', { more: true }, /upload_id/],
    ['a place without an upload', { offset: 2 }, /upload_id/],
    ['a media type without end', { media_type: 'x'.repeat(257) }, /media_type/],
  ])('is refused with %s, and nothing is kept (L6)', async (_what, fields, message) => {
    const store = memoryStore();
    await using test = bench({ store, limits: { maxArtifactsPerPrincipal: 1 } });
    const client = await test.open();
    const nack = await put(client, 'hi', fields);
    expect(nack).toMatchObject({ type: 'nack', payload: { code: 'INVALID_ARGUMENT', retryable: false } });
    expect(nack.payload).toHaveProperty('message', expect.stringMatching(message));
    expect(await store.blobs.list()).toEqual([]);
    expect(await store.documents('artifact/')).toEqual([]);
    expect((await put(client, 'hi')).type).toBe('artifact.ref');
  });

  it('is refused when it is larger than a message may hold, with what to do', async () => {
    await using test = bench({ limits: { maxChunkBytes: 10 } });
    const client = await test.open();
    expect(await put(client, '12345678901')).toMatchObject({
      type: 'nack',
      payload: { code: 'INVALID_ARGUMENT', details: { max_part_bytes: 10 } },
    });
  });

  it('is announced: that there are artifacts, and how long they are kept', async () => {
    await using test = bench({ limits: { artifactRetentionMs: 1_500, maxArtifactRetentionMs: 90_000 } });
    const accepted = await test.raw().open('ada', { artifacts: true });
    expect(accepted.payload.capabilities).toMatchObject({
      artifacts: true,
      artifact_retention: { default_seconds: 1, max_seconds: 90 },
    });
  });
});

describe('an artifact in parts', () => {
  it('is answered part by part, and is one artifact in the end', async () => {
    await using test = bench();
    const client = await test.open();
    const first = await put(client, 'one ', { upload_id: 'u', more: true, offset: 0 });
    expect(first.payload).toMatchObject({ size: 4, offset: 4, more: true });
    expect(first.payload).not.toHaveProperty('sha256');
    const second = await put(client, 'two ', { upload_id: 'u', more: true, offset: 4 });
    expect(second.payload).toMatchObject({ size: 8, offset: 8, more: true });
    const third = await put(client, 'three', { upload_id: 'u', offset: 8, sha256: sha256('one two three') });
    expect(third.payload).toMatchObject({ size: 13, sha256: sha256('one two three') });
    expect(third.payload).not.toHaveProperty('more');
    const ids = [first, second, third].map(({ payload }) => (payload as { artifact_id: string }).artifact_id);
    expect(new Set(ids).size).toBe(1);
    expect((await fetchAll(client, ids[0] ?? '', 5)).toString()).toBe('one two three');
  });

  it('takes parts that come without waiting for answers, in their order', async () => {
    await using test = bench();
    const client = await test.open();
    const text = 'abcdefghijklmnop';
    const answers = await Promise.all(
      Array.from(text, (letter, offset) =>
        put(client, letter, { upload_id: 'u', offset, more: offset < text.length - 1 }),
      ),
    );
    expect(answers.map(({ type }) => type)).toEqual(answers.map(() => 'artifact.ref'));
    expect(answers.at(-1)?.payload).toMatchObject({ size: 16, sha256: sha256(text) });
  });

  it('answers a part that is sent again, and does not double it (T3)', async () => {
    await using test = bench();
    const client = await test.open();
    const part = { upload_id: 'u', more: true };
    for (let n = 0; n < 3; n += 1) {
      expect((await put(client, 'one ', { ...part, offset: 0 })).payload).toMatchObject({ offset: 4 });
    }
    expect((await put(client, 'e two ', { ...part, offset: 2 })).payload).toMatchObject({ offset: 8 });
    expect((await put(client, 'one ', { ...part, offset: 0 })).payload).toMatchObject({
      offset: 8,
      more: true,
    });
    const last = [];
    for (let n = 0; n < 3; n += 1)
      last.push((await put(client, 'three', { upload_id: 'u', offset: 8 })).payload);
    expect(last[0]).toMatchObject({ size: 13, sha256: sha256('one two three') });
    expect(last).toEqual([last[0], last[0], last[0]]);
  });

  it('is put once however often it is sent as a whole with the same upload_id', async () => {
    await using test = bench({ limits: { maxArtifactsPerPrincipal: 1 } });
    const client = await test.open();
    const ids = [
      await idOfPut(client, 'hi', { upload_id: 'u' }),
      await idOfPut(client, 'hi', { upload_id: 'u' }),
    ];
    expect(ids[0]).toBe(ids[1]);
    expect(await put(client, 'other', { upload_id: 'u' })).toMatchObject({
      type: 'nack',
      payload: { code: 'FAILED_PRECONDITION' },
    });
    expect(await put(client, 'ho', { upload_id: 'u', sha256: sha256('ho') })).toMatchObject({
      type: 'nack',
      payload: { code: 'FAILED_PRECONDITION' },
    });
  });

  it('refuses a part that leaves a hole or cuts off what is there, and says where to go on (L6)', async () => {
    await using test = bench();
    const client = await test.open();
    const refusal = (expected_offset: number) => ({
      type: 'nack',
      payload: { code: 'OUT_OF_RANGE', details: { expected_offset } },
    });
    expect(await put(client, 'x', { upload_id: 'u', offset: 1 })).toMatchObject(refusal(0));
    await put(client, 'four', { upload_id: 'u', more: true });
    expect(await put(client, 'x', { upload_id: 'u', offset: 5, more: true })).toMatchObject(refusal(4));
    expect(await put(client, 'x', { upload_id: 'u', offset: 2 })).toMatchObject(refusal(4));
    expect(await put(client, '!', { upload_id: 'u', offset: 4 })).toMatchObject({
      payload: { sha256: sha256('four!') },
    });
  });

  it('keeps nothing when the hash is wrong in the end, and may be put anew', async () => {
    const store = memoryStore();
    await using test = bench({ store });
    const client = await test.open();
    await put(client, 'one', { upload_id: 'u', more: true, sha256: sha256('onetwo') });
    expect(await put(client, 'TWO', { upload_id: 'u', offset: 3 })).toMatchObject({
      type: 'nack',
      payload: { code: 'INVALID_ARGUMENT' },
    });
    expect(await store.blobs.list()).toEqual([]);
    expect(await store.documents('artifact/')).toEqual([]);
    expect((await put(client, 'onetwo', { upload_id: 'u' })).type).toBe('artifact.ref');
  });

  it('can be released before it is whole, and cannot be fetched', async () => {
    const store = memoryStore();
    await using test = bench({ store });
    const client = await test.open();
    const id = await idOfPut(client, 'one', { upload_id: 'u', more: true });
    expect(await fetch(client, id)).toMatchObject({ payload: { code: 'FAILED_PRECONDITION' } });
    expect((await release(client, id)).type).toBe('ack');
    expect(await put(client, 'two', { upload_id: 'u', offset: 3 })).toMatchObject({
      payload: { code: 'OUT_OF_RANGE', details: { expected_offset: 0 } },
    });
    expect(await store.blobs.list()).toEqual([]);
  });

  it('is forgotten when its next part does not come in time', async () => {
    const store = memoryStore();
    await using test = bench({ store, limits: { artifactUploadIdleMs: 5_000 } });
    const client = await test.open();
    await put(client, 'one', { upload_id: 'u', more: true });
    await test.clock.advance(4_000);
    expect((await put(client, 'two', { upload_id: 'u', offset: 3, more: true })).type).toBe('artifact.ref');
    await test.clock.advance(5_000);
    expect(await put(client, '!', { upload_id: 'u', offset: 6 })).toMatchObject({
      payload: { code: 'OUT_OF_RANGE', details: { expected_offset: 0 } },
    });
  });
});

describe('fetching', () => {
  it('a large artifact is by parts only: a peer that knows of no parts is told, not given a piece', async () => {
    await using test = bench({ limits: { maxChunkBytes: 4 } });
    const client = await test.open();
    await put(client, 'one ', { upload_id: 'u', more: true });
    const id = await idOfPut(client, 'two', { upload_id: 'u', offset: 4 });
    expect(await fetch(client, id)).toMatchObject({
      type: 'nack',
      payload: { code: 'FAILED_PRECONDITION', details: { size: 7, max_part_bytes: 4 } },
    });
    const common = { artifact_id: id, size: 7, sha256: sha256('one two') };
    expect((await fetch(client, id, { offset: 0 })).payload).toMatchObject({
      ...common,
      data: base64('one '),
      offset: 0,
      more: true,
    });
    expect((await fetch(client, id, { offset: 4, limit: 100 })).payload).toMatchObject({
      ...common,
      data: base64('two'),
      offset: 4,
      more: false,
    });
    expect((await fetch(client, id, { limit: 3 })).payload).toMatchObject({
      data: base64('one'),
      offset: 0,
      more: true,
    });
    expect((await fetch(client, id, { offset: 7 })).payload).toMatchObject({ data: '', more: false });
    expect((await fetch(client, id, { offset: 8 })).payload).toMatchObject({ code: 'OUT_OF_RANGE' });
  });

  it('is for the principal that put it, in any of its sessions (T2)', async () => {
    await using test = bench();
    const ada = await test.open('ada');
    const id = await idOfPut(ada, 'hers');
    expect((await fetch(await test.open('ada'), id)).type).toBe('artifact.put');
    const denied = { type: 'nack', payload: { code: 'PERMISSION_DENIED' } };
    for (const stranger of [await test.open('bob'), await test.open('nobody')]) {
      expect(await fetch(stranger, id)).toMatchObject(denied);
      expect(await release(stranger, id)).toMatchObject(denied);
    }
    expect((await fetch(ada, id)).type).toBe('artifact.put');
  });

  it('keeps the uploads of principals apart, whatever they are called', async () => {
    await using test = bench();
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    const ids = [
      await idOfPut(ada, 'hers', { upload_id: 'u' }),
      await idOfPut(bob, 'his!', { upload_id: 'u' }),
      await idOfPut(ada, 'odd', { upload_id: '__proto__' }),
    ];
    expect(new Set(ids).size).toBe(3);
    expect((await fetch(bob, ids[1] ?? '')).payload).toMatchObject({ data: base64('his!') });
  });

  it('what never was is NOT_FOUND, and so is what was released or has expired', async () => {
    const store = memoryStore();
    await using test = bench({ store });
    const client = await test.open();
    const notFound = { type: 'nack', payload: { code: 'NOT_FOUND' } };
    for (const id of ['art_none', 'art_../log', 'art___proto__']) {
      expect(await fetch(client, id)).toMatchObject(notFound);
      expect(await release(client, id)).toMatchObject(notFound);
    }
    const released = await idOfPut(client, 'a');
    expect((await release(client, released)).type).toBe('ack');
    expect(await fetch(client, released)).toMatchObject(notFound);
    expect(await release(client, released)).toMatchObject(notFound);
    const short = await idOfPut(client, 'b', { retain_seconds: 10 });
    await test.clock.advance(9_999);
    expect((await fetch(client, short)).type).toBe('artifact.put');
    await test.clock.advance(1);
    expect(await fetch(client, short)).toMatchObject(notFound);
  });
});

describe('the limits (L7)', () => {
  it('cut the retention to the longest, and give the default where nothing is asked', async () => {
    await using test = bench({ limits: { artifactRetentionMs: 60_000, maxArtifactRetentionMs: 120_000 } });
    const client = await test.open();
    expect((await put(client, 'a')).payload).toMatchObject({ expires_at: '2026-01-01T00:01:00.000Z' });
    const forever = await put(client, 'a', { retain_seconds: 1e9 });
    expect(forever.payload).toMatchObject({ expires_at: '2026-01-01T00:02:00.000Z' });
  });

  it('hold for the size of one artifact, before its last part too', async () => {
    await using test = bench({ limits: { maxArtifactBytes: 6 } });
    const client = await test.open();
    const refused = { type: 'nack', payload: { code: 'RESOURCE_EXHAUSTED', retryable: false } };
    expect(await put(client, '1234567')).toMatchObject(refused);
    await put(client, '1234', { upload_id: 'u', more: true });
    expect(await put(client, '567', { upload_id: 'u', offset: 4, more: true })).toMatchObject(refused);
    expect((await put(client, '56', { upload_id: 'u', offset: 4 })).payload).toMatchObject({ size: 6 });
  });

  it('hold for all artifacts of a principal, and a release makes room', async () => {
    await using test = bench({ limits: { maxArtifactBytesPerPrincipal: 10, maxArtifactsPerPrincipal: 3 } });
    const client = await test.open();
    const exhausted = { type: 'nack', payload: { code: 'RESOURCE_EXHAUSTED', retryable: true } };
    const eight = await idOfPut(client, '12345678');
    expect(await put(client, '123')).toMatchObject(exhausted);
    await put(client, '1', { upload_id: 'u', more: true });
    expect(await put(client, '23', { upload_id: 'u', offset: 1, more: true })).toMatchObject(exhausted);
    await idOfPut(client, '1');
    expect(await put(client, '')).toMatchObject(exhausted);
    expect((await put(await test.open('bob'), '1234567890')).type).toBe('artifact.ref');
    await release(client, eight);
    expect((await put(client, '23', { upload_id: 'u', offset: 1 })).payload).toMatchObject({ size: 3 });
    expect((await put(client, '123456')).type).toBe('artifact.ref');
  });

  it('hold for what is on its way at once', async () => {
    await using test = bench({ limits: { maxArtifactPartsInFlight: 2 } });
    const client = await test.open();
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => put(client, text)));
    expect(answers.map(({ type }) => type).sort()).toEqual(['artifact.ref', 'artifact.ref', 'nack']);
    expect((await put(client, 'd')).type).toBe('artifact.ref');
  });

  it('take what has expired off the disk without being asked', async () => {
    const store = memoryStore();
    await using test = bench({ store });
    const client = await test.open();
    await Promise.all(['a', 'b', 'c'].map((text) => put(client, text, { retain_seconds: 10 })));
    await put(client, 'stays', { retain_seconds: 1_000 });
    await test.clock.advance(70_000);
    await expect.poll(async () => (await store.blobs.list()).length).toBe(1);
    expect(await store.documents('artifact/')).toHaveLength(1);
  });
});

describe('when the store fails', () => {
  it('on the content: a nack that tells nothing of the disk, nothing is kept, and the next put succeeds', async () => {
    const inner = memoryStore();
    let failing = true;
    const blobs = {
      write: (...args: Parameters<typeof inner.blobs.write>) =>
        failing
          ? Promise.reject(new Error('ENOSPC: no space left, write /secret'))
          : inner.blobs.write(...args),
      read: (...args: Parameters<typeof inner.blobs.read>) => inner.blobs.read(...args),
      remove: (name: string) => inner.blobs.remove(name),
      list: () => inner.blobs.list(),
    };
    await using test = bench({ store: wrapStore(inner, { blobs }), limits: { maxArtifactsPerPrincipal: 1 } });
    const client = await test.open();
    const nack = await put(client, 'a');
    expect(nack).toMatchObject({ type: 'nack', payload: { code: 'UNAVAILABLE', retryable: true } });
    expect(JSON.stringify(nack)).not.toContain('secret');
    failing = false;
    expect((await put(client, 'a')).type).toBe('artifact.ref');
  });

  it('on the document: the last part can be sent again, whose content was written already (T1)', async () => {
    const inner = memoryStore();
    let failing = false;
    const store = wrapStore(inner, {
      append: (group) => {
        if (failing) throw new Error('disk full');
        return inner.append(group);
      },
    });
    await using test = bench({ store });
    const client = await test.open();
    await put(client, 'one ', { upload_id: 'u', more: true });
    failing = true;
    const nack = { type: 'nack', payload: { code: 'UNAVAILABLE' } };
    expect(await put(client, 'two', { upload_id: 'u', offset: 4 })).toMatchObject(nack);
    expect(await put(client, 'alone')).toMatchObject(nack);
    failing = false;
    expect(await inner.blobs.list()).toHaveLength(1);
    const last = await put(client, 'two', { upload_id: 'u', offset: 4 });
    expect(last.payload).toMatchObject({ size: 7, sha256: sha256('one two') });
  });

  it('answers only when file and document are both committed (L2)', async () => {
    const inner = memoryStore();
    let commit: (() => void) | undefined;
    const store = wrapStore(inner, {
      append: (group) => {
        if (!group.some((write) => write.kind === 'document' && write.key.startsWith('artifact/')))
          return inner.append(group);
        return new Promise<void>((resolve) => {
          commit = () => {
            void inner.append(group);
            resolve();
          };
        });
      },
    });
    await using test = bench({ store });
    const client = await test.open();
    const id = client.send('artifact.put', { media_type: 'text/plain', data: base64('hi') });
    await expect.poll(() => commit).toBeDefined();
    expect(await inner.blobs.list()).toHaveLength(1);
    expect(client.seen('artifact.ref')).toEqual([]);
    commit?.();
    expect(await client.answerTo(id)).toMatchObject({ type: 'artifact.ref' });
  });
});
