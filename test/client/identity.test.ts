/** A client that expects one runtime and no other (`arcpx.arcp.identity.v1`, decision 28). */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { anonymous, createRuntime, defineAgent, listen, sqliteStore } from '../../src/index.js';
import { connect } from '../../src/client/index.js';
import { testRuntime } from '../../src/testing/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import { CLOSE_CODES } from '../../src/transport/transport.js';
import { RawClient } from '../runtime/raw-client.js';

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-identity-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function serving() {
  const runtime = createRuntime({ agents: [echo], authenticators: [anonymous()] });
  const server = await listen(runtime, { port: 0 });
  return { runtime, server, [Symbol.asyncDispose]: () => server.close() };
}

describe('connect({ expectFingerprint })', () => {
  it('goes on with the runtime that proves to have it, over a real socket', async () => {
    await using host = await serving();
    const client = await connect(host.server.url, { expectFingerprint: host.runtime.fingerprint });
    expect(client.session.runtime.fingerprint).toBe(host.runtime.fingerprint);
    expect((await (await client.invoke('echo', 1)).result()).value).toBe(1);
    await client.close();
  });

  it('refuses any other, says who it is, and makes no second attempt', async () => {
    await using host = await serving();
    const expected = `sha256:${'0'.repeat(64)}`;
    await expect(connect(host.server.url, { expectFingerprint: expected })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: `this is not the expected runtime: it is ${host.runtime.fingerprint}, not ${expected}`,
    });
    await expect(connect(host.server.url, { expectFingerprint: 'sha256:ab' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('wants the proof again when it comes back: a session is not resumed with a stranger', async () => {
    const [ours, theirs] = [testRuntime({ agents: [echo] }), testRuntime({ agents: [echo] })];
    await using _one = ours;
    await using _other = theirs;
    let broken: MemoryTransport | undefined;
    let dial = (): MemoryTransport => ours.dial();
    const client = await connect('memory:', {
      expectFingerprint: ours.runtime.fingerprint,
      clock: ours.clock,
      dial: () => Promise.resolve((broken = dial())),
    });
    broken?.close(CLOSE_CODES.tryAgainLater, 'cut');
    await ours.clock.advance(60_000);
    expect((await (await client.invoke('echo', 2)).result()).value).toBe(2);
    dial = () => theirs.dial();
    broken?.close(CLOSE_CODES.tryAgainLater, 'cut');
    await ours.clock.advance(60_000);
    expect(await client.closed).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('this is not the expected runtime') as string,
    });
  });

  it('takes no frame from a runtime whose proof is another’s', async () => {
    await using test = testRuntime({ agents: [echo] });
    const client = connect('memory:', {
      expectFingerprint: test.runtime.fingerprint,
      clock: test.clock,
      // What is signed for one nonce is relayed as the answer to another.
      dial: () => {
        const wire = test.dial();
        const send = wire.send.bind(wire);
        wire.send = (frame) => {
          send(frame.replace(/"nonce":"[^"]+"/, `"nonce":"${'r'.repeat(22)}"`));
        };
        return Promise.resolve(wire);
      },
    });
    await expect(client).rejects.toMatchObject({
      message: 'this is not the expected runtime: its signature is not good',
    });
  });
});

describe('the runtime', () => {
  it('shows its fingerprint to everybody, and proves it to who asks', async () => {
    await using test = testRuntime();
    const plain = new RawClient(test.dial());
    const accepted = await plain.open();
    expect(accepted.payload.runtime.fingerprint).toBe(test.runtime.fingerprint);
    expect(accepted.payload.identity).toBeUndefined();
    const asking = new RawClient(test.dial());
    const client = { kind: 'test', version: '0' };
    asking.send('session.open', { auth: { scheme: 'none' }, client, nonce: 'short' });
    expect((await asking.next('session.rejected')).payload.message).toContain('payload.nonce');
    asking.send('session.open', { auth: { scheme: 'none' }, client, nonce: 'n'.repeat(22) });
    expect((await asking.next('session.accepted')).payload.identity).toBeDefined();
  });

  it('keeps its key in its data folder, for its owner alone, and is the same after a restart', async () => {
    const start = () => createRuntime({ store: sqliteStore({ folder }) });
    const first = start();
    await first.close();
    const path = join(folder, 'identity.pem');
    const mode = statSync(path).mode & 0o777;
    if (process.platform !== 'win32') expect(mode).toBe(0o600);
    const second = start();
    expect(second.fingerprint).toBe(first.fingerprint);
    await second.close();
    expect(readFileSync(path, 'utf8')).toContain('PRIVATE KEY');
  });

  it('does not start with a key that is broken or that others can read, and never replaces it', async () => {
    const store = sqliteStore({ folder });
    const path = join(folder, 'identity.pem');
    writeFileSync(path, 'not a key', { mode: 0o600 });
    expect(() => createRuntime({ store })).toThrow('no Ed25519 private key');
    expect(readFileSync(path, 'utf8')).toBe('not a key');
    if (process.platform !== 'win32') {
      chmodSync(path, 0o644);
      expect(() => createRuntime({ store })).toThrow('can be read by others');
    }
    await store.close();
  });
});
