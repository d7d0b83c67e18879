/** A runtime on a real port: probes, refusals, going away, and slow readers on real sockets. */
import { afterEach, describe, expect, it } from 'vitest';
import { anonymous, createRuntime, defineAgent, listen, type Runtime, type Server } from '../../src/index.js';
import type { Limits } from '../../src/runtime/limits.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { RawClient } from './raw-client.js';

const opens: (() => void)[] = [];
const agents = [
  defineAgent({
    name: 'held',
    version: '1.0.0',
    run: () =>
      new Promise((resolve) => {
        opens.push(() => {
          resolve('in time');
        });
      }),
  }),
  defineAgent({
    name: 'talker',
    version: '1.0.0',
    run: (input, ctx) => {
      const { lines, size } = input as { lines: number; size: number };
      for (let n = 0; n < lines; n += 1) ctx.log('info', 'x'.repeat(size));
    },
  }),
];

const running: { runtime: Runtime; server: Server }[] = [];

async function start(limits: Partial<Limits> = {}) {
  const runtime = createRuntime({ agents, authenticators: [anonymous()], limits });
  const server = await listen(runtime, { port: 0 });
  running.push({ runtime, server });
  const probe = async (path: string): Promise<number> =>
    (await fetch(`${server.url.replace('ws:', 'http:')}${path}`)).status;
  const client = async (): Promise<RawClient> => {
    const raw = new RawClient(await dialWebSocket(server.url));
    await raw.open();
    return raw;
  };
  return { runtime, server, probe, client };
}

afterEach(async () => {
  for (const { runtime, server } of running.splice(0)) {
    await server.close();
    await runtime.close();
  }
});

describe('listen', () => {
  it('answers /healthz and /readyz, the latter as the runtime is ready', async () => {
    const { runtime, probe } = await start();
    expect([await probe('/healthz'), await probe('/readyz')]).toEqual([200, 200]);
    await runtime.close();
    expect([await probe('/healthz'), await probe('/readyz')]).toEqual([200, 503]);
  });

  it('refuses web pages that it was not told of (decision 24)', async () => {
    const { server } = await start();
    await expect(
      dialWebSocket(server.url, { headers: { Origin: 'https://evil.example' } }),
    ).rejects.toMatchObject({
      details: { status: 403 },
    });
  });

  it('drains: no further connections, running jobs end, their clients are told 1001, the port is free', async () => {
    const { server, client } = await start();
    const raw = await client();
    const jobId = await raw.accepted('held');
    await raw.next('job.started');
    const drained = server.drain(10_000);
    await expect(dialWebSocket(server.url)).rejects.toMatchObject({ details: { status: 503 } });
    opens.shift()?.();
    expect(await raw.terminal(jobId)).toMatchObject({ payload: { value: 'in time' } });
    expect(await raw.closed()).toMatchObject({ code: 1001 });
    await drained;
    await expect(dialWebSocket(server.url)).rejects.toThrow();
  });

  it('closes sockets, not sessions: the runtime stays, and its sessions can be resumed elsewhere', async () => {
    const { runtime, server, client } = await start();
    const raw = await client();
    const jobId = await raw.accepted('held');
    await server.close();
    expect(await raw.closed()).toMatchObject({ code: 1001 });
    const second = await listen(runtime, { port: 0 });
    running.push({ runtime, server: second });
    const again = new RawClient(await dialWebSocket(second.url));
    await again.resume(raw.resumeToken, 1);
    opens.shift()?.();
    expect((await again.terminal(jobId)).type).toBe('job.completed');
  });

  it.each([2_000, 200_000, undefined])(
    'feeds a client everything, whatever softBufferBytes is: %s',
    async (softBufferBytes) => {
      const { client } = await start(softBufferBytes === undefined ? {} : { softBufferBytes });
      const raw = await client();
      for (const size of [100, 10_000]) {
        const jobId = await raw.accepted('talker', { lines: 700, size });
        await raw.terminal(jobId);
      }
      expect(raw.events().map(({ event_seq }) => event_seq)).toEqual(
        Array.from({ length: 1_406 }, (_, n) => n + 1),
      );
    },
  );
});
