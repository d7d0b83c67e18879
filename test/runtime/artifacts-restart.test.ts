/** Artifacts across the end of the process, wherever it comes (laws L2 and L3). */
import { afterEach, describe, expect, it } from 'vitest';
import { base64, fetch, fetchAll, idOfPut, put, release, sha256 } from './artifact-client.js';
import { DATA, lives, type Lives } from './lives.js';

describe.each(DATA)('after a restart on %s', (_name, makeData) => {
  const open: Lives[] = [];

  function start(options: Parameters<typeof lives>[1] = {}): Lives {
    const all = lives(makeData(), options);
    open.push(all);
    return all;
  }

  afterEach(async () => {
    for (const one of open.splice(0)) await one.end();
  });

  it('an artifact is there, its owner’s alone, until its time is over', async () => {
    const all = start();
    const first = await all.next();
    const answer = await put(await first.open(), 'kept', { retain_seconds: 60 });
    if (answer.type !== 'artifact.ref') throw new Error('refused');
    const id = answer.payload.artifact_id;
    const second = await all.next();
    const client = await second.open();
    expect((await fetch(client, id)).payload).toMatchObject({ data: base64('kept'), sha256: sha256('kept') });
    expect(await fetch(await second.open('bob'), id)).toMatchObject({
      payload: { code: 'PERMISSION_DENIED' },
    });
    await second.clock.advance(60_000);
    expect(await fetch(client, id)).toMatchObject({ payload: { code: 'NOT_FOUND' } });
  });

  it('an upload goes on where its last answer said, its hash included (L2)', async () => {
    const all = start();
    const client = await (await all.next()).open();
    const id = await idOfPut(client, 'one ', { upload_id: 'u', more: true, sha256: sha256('one two three') });
    await put(client, 'two ', { upload_id: 'u', offset: 4, more: true });
    const later = await (await all.next()).open();
    const again = await put(later, 'two ', { upload_id: 'u', offset: 4, more: true });
    expect(again.payload).toMatchObject({ artifact_id: id, offset: 8, more: true });
    const last = await put(later, 'three', { upload_id: 'u', offset: 8 });
    expect(last.payload).toMatchObject({ artifact_id: id, size: 13, sha256: sha256('one two three') });
    expect((await fetchAll(later, id, 4)).toString()).toBe('one two three');
    const after = await (await all.next()).open();
    expect((await put(after, 'three', { upload_id: 'u', offset: 8 })).payload).toEqual(last.payload);
  });

  it('a part that was on the disk but not answered counts for nothing, half or whole', async () => {
    const all = start();
    const life = await all.next();
    const id = await idOfPut(await life.open(), 'one ', { upload_id: 'u', more: true });
    await life.store.blobs.write(id, 4, Buffer.from('tw'), false);
    const second = await all.next();
    const answer = await put(await second.open(), 'TWO ', { upload_id: 'u', offset: 4, more: true });
    expect(answer.payload).toMatchObject({ offset: 8 });
    await second.store.blobs.write(id, 8, Buffer.from('three, whole, but never told'), true);
    const client = await (await all.next()).open();
    const last = await put(client, 'three', { upload_id: 'u', offset: 8 });
    expect(last.payload).toMatchObject({ size: 13, sha256: sha256('one TWO three') });
    expect((await fetch(client, id)).payload).toMatchObject({ data: base64('one TWO three') });
  });

  it('content that no document knows is removed, and what was released or has expired is', async () => {
    const all = start();
    const life = await all.next();
    const client = await life.open();
    const kept = await idOfPut(client, 'kept');
    await release(client, await idOfPut(client, 'released'));
    await idOfPut(client, 'short', { retain_seconds: 0 });
    await life.store.blobs.write('art_orphan', 0, Buffer.from('x'), true);
    await life.store.blobs.write('art_half', 0, Buffer.from('x'), false);
    const { store } = await all.next();
    expect(await store.blobs.list()).toEqual([{ name: kept, size: 4 }]);
    expect((await store.documents('artifact/')).map(({ key }) => key)).toEqual([`artifact/${kept}`]);
  });

  it('an artifact whose content is gone is DATA_LOSS, and can be released; an upload begins anew', async () => {
    const all = start();
    const life = await all.next();
    const client = await life.open();
    const ids = [await idOfPut(client, 'lost'), await idOfPut(client, 'cut off'), await idOfPut(client, '')];
    const upload = await idOfPut(client, 'one ', { upload_id: 'u', more: true });
    for (const id of [...ids, upload]) await life.store.blobs.remove(id);
    await life.store.blobs.write(ids[1] ?? '', 0, Buffer.from('cut'), true);
    const later = await (await all.next()).open();
    for (const id of ids) {
      expect(await fetch(later, id)).toMatchObject({ type: 'nack', payload: { code: 'DATA_LOSS' } });
      expect((await release(later, id)).type).toBe('ack');
    }
    expect(await put(later, 'two', { upload_id: 'u', offset: 4 })).toMatchObject({
      payload: { code: 'OUT_OF_RANGE', details: { expected_offset: 0 } },
    });
    expect((await put(later, 'one two', { upload_id: 'u' })).payload).toMatchObject({ size: 7 });
  });

  it('what is kept counts against the limits of its principal', async () => {
    const all = start({ limits: { maxArtifactBytesPerPrincipal: 10, maxArtifactsPerPrincipal: 2 } });
    const client = await (await all.next()).open();
    const id = await idOfPut(client, '12345678');
    const later = await (await all.next()).open();
    const exhausted = { payload: { code: 'RESOURCE_EXHAUSTED' } };
    expect(await put(later, '123')).toMatchObject(exhausted);
    await put(later, '1');
    expect(await put(later, '')).toMatchObject(exhausted);
    await release(later, id);
    expect((await put(later, '12345678')).type).toBe('artifact.ref');
  });
});
