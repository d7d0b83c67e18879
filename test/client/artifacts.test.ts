/** What a client does about artifacts when the runtime, or the connection, is not as it should be. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ConnectOptions } from '../../src/client/index.js';
import { type Payload } from '../../src/protocol/index.js';
import { FakeRuntime, rejection, turn, type FakeConnection } from './fake-runtime.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function open(limits: ConnectOptions['limits'] = { artifactPartBytes: 4 }) {
  const runtime = new FakeRuntime();
  return runtime.open({ limits, resumeToken: 'rt_1' }).then((opened) => ({ runtime, ...opened }));
}

function ref(size: number, progress: object = {}): Payload<'artifact.ref'> {
  const artifact = {
    artifact_id: 'art_1',
    uri: 'arcp://artifact/art_1',
    media_type: 'text/plain',
    size,
  } as const;
  return { artifact, ...artifact, ...progress };
}

async function takePart(connection: FakeConnection, progress?: object) {
  const part = await connection.next('artifact.put');
  const end = (part.payload.offset ?? 0) + Buffer.from(part.payload.data, 'base64').length;
  const more = part.payload.more === true ? { offset: end, more: true } : {};
  connection.reply('artifact.ref', ref(end, progress ?? more), { correlation_id: part.id });
  return part;
}

describe('putting an artifact', () => {
  it('sends parts of one upload, the hash with the last, and resolves with the reference', async () => {
    const { client, connection } = await open();
    const putting = client.artifacts.put('one two', { mediaType: 'text/plain', retainSeconds: 60 });
    const parts = [(await takePart(connection)).payload, (await takePart(connection)).payload];
    const upload_id = parts[0]?.upload_id;
    const common = {
      media_type: 'text/plain',
      encoding: 'base64',
      retain_seconds: 60,
      ttl_seconds: 60,
      upload_id,
    };
    expect(parts).toEqual([
      { ...common, data: base64('one '), offset: 0, more: true },
      { ...common, data: base64('two'), offset: 4, sha256: sha256('one two') },
    ]);
    expect(upload_id).toMatch(/^.{20,}$/);
    expect(await putting).toEqual(ref(7).artifact);
    expect(client.inFlight.calls).toBe(0);
  });

  it('has as many parts on the way as the limit says, over all artifacts (F3)', async () => {
    const { client, connection } = await open({ artifactPartBytes: 4, artifactPartsInFlight: 2 });
    const puts = ['aaaabbbbccccdddd', 'eeeeffffgggg'].map((text) => client.artifacts.put(text));
    for (let answered = 0; answered < 7; answered += 1) {
      await turn();
      expect(client.inFlight.calls).toBe(connection.unread.length);
      expect(connection.unread.length).toBeLessThanOrEqual(2);
      await takePart(connection);
    }
    await Promise.all(puts);
  });

  it('sends a part again whose answer was lost with the connection, under the same name and place (F1)', async () => {
    const { runtime, client, connection } = await open({ artifactPartBytes: 4, artifactPartsInFlight: 2 });
    const putting = client.artifacts.put('aaaabbbbcccc');
    await takePart(connection);
    const lost = [await connection.next('artifact.put'), await connection.next('artifact.put')];
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    const again = [await takePart(second), await takePart(second)];
    expect(again.map(({ payload }) => payload)).toEqual(lost.map(({ payload }) => payload));
    expect(new Set([...again, ...lost].map(({ id }) => id)).size).toBe(4);
    expect(await putting).toMatchObject({ size: 12 });
  });

  it('tells what was wrong with the part that failed, and leaves nothing behind', async () => {
    const { client, connection } = await open({ artifactPartBytes: 4, artifactPartsInFlight: 3 });
    const putting = rejection(client.artifacts.put('aaaabbbbccccdddd'));
    await takePart(connection);
    const [second, third] = [await connection.next('artifact.put'), await connection.next('artifact.put')];
    const nack = (code: 'RESOURCE_EXHAUSTED' | 'OUT_OF_RANGE', id: typeof second.id): void =>
      connection.reply('nack', { code, message: 'no' }, { correlation_id: id });
    nack('RESOURCE_EXHAUSTED', second.id);
    nack('OUT_OF_RANGE', third.id);
    for (;;) {
      await turn();
      const fourth = connection.unread[0];
      if (fourth?.type !== 'artifact.put') break;
      await connection.next('artifact.put');
      nack('OUT_OF_RANGE', fourth.id);
    }
    const release = await connection.next('artifact.release');
    expect(release.payload).toEqual({ artifact_id: 'art_1' });
    connection.reply('ack', {}, { correlation_id: release.id });
    expect(await putting).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  });

  it('releases what was put when its source fails, and rejects with what the source threw', async () => {
    const { client, connection } = await open();
    const broken = async function* () {
      yield await Promise.resolve(Buffer.from('aaaab'));
      throw new Error('the file is gone');
    };
    const putting = rejection(client.artifacts.put(broken()));
    await takePart(connection);
    const release = await connection.next('artifact.release');
    connection.reply('ack', {}, { correlation_id: release.id });
    expect(await putting).toEqual(new Error('the file is gone'));
  });

  it('does not take a runtime at its word that knows of no parts', async () => {
    const { client, connection } = await open();
    const putting = rejection(client.artifacts.put('aaaabbbb'));
    await takePart(connection, {});
    const release = await connection.next('artifact.release');
    connection.reply('ack', {}, { correlation_id: release.id });
    expect(await putting).toMatchObject({ code: 'UNIMPLEMENTED' });
    const small = client.artifacts.put('aaaa');
    await takePart(connection);
    expect(await small).toMatchObject({ size: 4 });
  });

  it('ends with CANCELLED when its signal is aborted', async () => {
    const { client, connection } = await open();
    const abort = new AbortController();
    const putting = rejection(client.artifacts.put('aaaabbbb', { signal: abort.signal }));
    await connection.next('artifact.put');
    abort.abort();
    expect(await putting).toMatchObject({ code: 'CANCELLED' });
  });
});

describe('fetching an artifact', () => {
  const piece = (data: string, more: object): Payload<'artifact.put'> => ({
    artifact_id: 'art_1',
    media_type: 'text/plain',
    data: base64(data),
    encoding: 'base64',
    sha256: sha256('one two'),
    size: 7,
    ...more,
  });

  async function giving(...pieces: readonly Payload<'artifact.put'>[]) {
    const opened = await open();
    const { client, connection } = opened;
    const fetching = client.artifacts
      .fetch('art_1')
      .then(async (fetched) => ({ fetched, text: await fetched.text() }));
    fetching.catch(() => undefined);
    for (const one of pieces) {
      const asked = await connection.next('artifact.fetch');
      connection.reply('artifact.put', one, { correlation_id: asked.id });
    }
    return { ...opened, fetching };
  }

  it('asks piece by piece, and gives what it is', async () => {
    const { fetching } = await giving(
      piece('one ', { offset: 0, more: true }),
      piece('two', { offset: 4, more: false }),
    );
    const { fetched, text } = await fetching;
    expect(text).toBe('one two');
    expect(fetched).toMatchObject({
      id: 'art_1',
      mediaType: 'text/plain',
      size: 7,
      sha256: sha256('one two'),
    });
    expect(await rejection(fetched.bytes())).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('takes the whole from a runtime that knows of no pieces', async () => {
    const { artifact_id: _id, size: _size, sha256: _hash, ...plain } = piece('one two', {});
    expect((await (await giving(plain)).fetching).text).toBe('one two');
  });

  it.each<[string, Payload<'artifact.put'>[]]>([
    ['other bytes than the hash says', [piece('one TWO', { offset: 0, more: false })]],
    ['fewer bytes than the size says', [piece('one', { offset: 0, more: false })]],
    ['a piece from another place', [piece('one ', { offset: 0, more: true }), piece('two', { offset: 3 })]],
    ['nothing, for ever', [piece('', { offset: 0, more: true })]],
  ])('is DATA_LOSS where the runtime sends %s (F2)', async (_what, pieces) => {
    expect(await rejection((await giving(...pieces)).fetching)).toMatchObject({ code: 'DATA_LOSS' });
  });

  it('holds no more at once than the limit says, but streams any size (L7)', async () => {
    const { client, connection } = await open({ artifactPartBytes: 4, maxResultBytes: 6 });
    const fetching = client.artifacts.fetch('art_1');
    const asked = await connection.next('artifact.fetch');
    connection.reply('artifact.put', piece('one ', { offset: 0, more: true }), { correlation_id: asked.id });
    expect(await rejection((await fetching).bytes())).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  });

  it('goes on over a lost connection with the piece that was asked for', async () => {
    const { runtime, fetching, connection } = await giving(piece('one ', { offset: 0, more: true }));
    await connection.next('artifact.fetch');
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    const again = await second.next('artifact.fetch');
    expect(again.payload).toMatchObject({ offset: 4 });
    second.reply('artifact.put', piece('two', { offset: 4, more: false }), { correlation_id: again.id });
    expect((await fetching).text).toBe('one two');
  });

  it.each(['job_1', '', 'art_'])('refuses %j, which is no id of an artifact', async (id) => {
    const { client } = await open();
    expect(await rejection(client.artifacts.fetch(id))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await rejection(client.artifacts.release(id))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('releasing an artifact', () => {
  it('is done when the runtime says so; that it is gone is a refusal', async () => {
    const { client, connection } = await open();
    const [first, second] = [client.artifacts.release('art_1'), rejection(client.artifacts.release('art_1'))];
    const [one, other] = [
      await connection.next('artifact.release'),
      await connection.next('artifact.release'),
    ];
    connection.reply('ack', {}, { correlation_id: one.id });
    connection.reply('nack', { code: 'NOT_FOUND', message: 'no' }, { correlation_id: other.id });
    await first;
    expect(await second).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is done when it was sent again and is gone by then: the answer was lost, not the artifact', async () => {
    const { runtime, client, connection } = await open();
    const releasing = client.artifacts.release('art_1');
    await connection.next('artifact.release');
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    const again = await second.next('artifact.release');
    second.reply('nack', { code: 'NOT_FOUND', message: 'no' }, { correlation_id: again.id });
    await releasing;
  });
});
