/** Artifacts of a real client at a real runtime: sockets that break, a data folder, and a runtime that is started again. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { connect, type Client, type ConnectOptions } from '../../src/client/index.js';
import { bearerTokens, createRuntime, listen, sqliteStore, type Server } from '../../src/index.js';
import { cuttableProxy } from './cuttable-proxy.js';
import { rejection } from './fake-runtime.js';

const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'arcp-artifacts-e2e-'));
  cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const tokens = bearerTokens([
  ['secret', 'ada'],
  ['other', 'bob'],
]);

async function serve(folder: string, port = 0): Promise<Server & { stop(): Promise<void> }> {
  const runtime = createRuntime({
    store: sqliteStore({ folder, durability: 'normal' }),
    authenticators: [tokens],
  });
  const server = await listen(runtime, { port });
  const stop = async (): Promise<void> => {
    await server.close();
    await runtime.close();
  };
  cleanUp.push(stop);
  return { ...server, stop };
}

async function client(url: string, options: ConnectOptions = {}): Promise<Client> {
  const made = await connect(url, { token: 'secret', reconnect: { initialDelayMs: 5 }, ...options });
  cleanUp.push(() => made.close());
  return made;
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('an artifact over a real socket', () => {
  it('of several parts comes back as it was, and is one file beside the log', async () => {
    const folder = dataFolder();
    const ada = await client((await serve(folder)).url);
    const content = randomBytes(2_500_000);
    const ref = await ada.artifacts.put(new Blob([content]), { mediaType: 'image/png' });
    expect(ref).toMatchObject({ media_type: 'image/png', size: content.length, sha256: digest(content) });
    expect(readdirSync(join(folder, 'artifacts'))).toEqual([ref.artifact_id]);
    const fetched = await ada.artifacts.fetch(ref);
    expect(digest(await fetched.bytes())).toBe(digest(content));
    await ada.artifacts.release(ref);
    expect(readdirSync(join(folder, 'artifacts'))).toEqual([]);
    expect(await rejection(ada.artifacts.fetch(ref))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is its principal’s', async () => {
    const { url } = await serve(dataFolder());
    const ref = await (await client(url)).artifacts.put('hers');
    const bob = await client(url, { token: 'other' });
    expect(await rejection(bob.artifacts.fetch(ref))).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await (await (await client(url)).artifacts.fetch(ref.artifact_id)).text()).toBe('hers');
  });

  it('goes on through connections that break in the middle of its parts, with nothing lost or doubled', async () => {
    const server = await serve(dataFolder());
    const proxy = await cuttableProxy(server.port);
    cleanUp.push(() => proxy.close());
    const ada = await client(proxy.url, { limits: { artifactPartBytes: 20_000 } });
    const content = randomBytes(400_000);
    const source = async function* () {
      for (let at = 0; at < content.length; at += 10_000) {
        if (at % 100_000 === 50_000) proxy.cut();
        yield await Promise.resolve(content.subarray(at, at + 10_000));
      }
    };
    const ref = await ada.artifacts.put(source());
    expect(ref).toMatchObject({ size: content.length, sha256: digest(content) });
    const pieces: Uint8Array[] = [];
    for await (const piece of await ada.artifacts.fetch(ref)) {
      pieces.push(piece);
      if (pieces.length % 7 === 0) proxy.cut();
    }
    expect(digest(Buffer.concat(pieces))).toBe(digest(content));
    expect(proxy.connections).toBeGreaterThan(3);
  });

  it('goes on through a restart of the runtime in the middle of its parts', async () => {
    const folder = dataFolder();
    const first = await serve(folder);
    const ada = await client(first.url, { limits: { artifactPartBytes: 10_000 } });
    const content = randomBytes(100_000);
    let restarted: Promise<unknown> | undefined;
    const source = async function* () {
      for (let at = 0; at < content.length; at += 10_000) {
        if (at === 50_000) {
          restarted = first.stop().then(() => serve(folder, first.port));
          await restarted;
        }
        yield content.subarray(at, at + 10_000);
      }
    };
    const ref = await ada.artifacts.put(source());
    await restarted;
    expect(ref).toMatchObject({ size: content.length, sha256: digest(content) });
    expect(digest(await (await ada.artifacts.fetch(ref)).bytes())).toBe(digest(content));
  });
});
