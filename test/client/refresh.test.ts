/** The client and a token that is replaced or revoked while it works: over real sockets, and after a lost connection. */
import { afterEach, describe, expect, it } from 'vitest';
import { bearerTokens, createRuntime, defineAgent, listen, type BearerTokens } from '../../src/index.js';
import { connect, type Client, type ConnectOptions } from '../../src/client/index.js';
import { Completion } from '../../src/runtime/completion.js';
import type { Transport } from '../../src/transport/transport.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';

interface Scene {
  readonly tokens: BearerTokens;
  readonly client: Client;
  /** Cuts the connection, as a network does. */
  readonly cut: () => void;
  readonly recheck: () => void;
  readonly endJob: () => void;
}

let cleanup: (() => Promise<unknown>) | undefined;
afterEach(() => cleanup?.());

async function scene(token: NonNullable<ConnectOptions['token']>, refreshTimeoutMs: number): Promise<Scene> {
  const tokens = bearerTokens([['old', 'ada']]);
  const end = new Completion<string>();
  const agent = defineAgent({ name: 'patient', version: '1.0.0', run: () => end.promise });
  const runtime = createRuntime({ agents: [agent], authenticators: [tokens], limits: { refreshTimeoutMs } });
  const server = await listen(runtime, { port: 0 });
  let latest: Transport | undefined;
  const client = await connect(server.url, {
    token,
    reconnect: { initialDelayMs: 1 },
    dial: async (url, options) => (latest = await dialWebSocket(url, options)),
  });
  cleanup = async () => {
    await client.close();
    await runtime.close();
    await server.close();
  };
  return {
    tokens,
    client,
    cut: () => latest?.close(1000, 'cut'),
    recheck: () => runtime.recheck(),
    endJob: () => end.resolve('done'),
  };
}

/** Gives the token that counts now, and counts how often. */
class Source {
  next = 'old';
  asked = 0;
  readonly askedTwice = new Completion<undefined>();

  readonly token = (): string => {
    this.asked += 1;
    if (this.asked === 2) this.askedTwice.resolve(undefined);
    return this.next;
  };
}

function resumed(client: Client): Promise<boolean> {
  return new Promise((resolve) => {
    client.on('connection', (change) => {
      if (change.state === 'open') resolve(change.resumed);
    });
  });
}

describe('a token that is replaced', () => {
  it('is shown anew by itself; session and job go on, and a resume needs no token again', async () => {
    const given = new Source();
    const { tokens, client, cut, recheck, endJob } = await scene(given.token, 60_000);
    const { id } = client.session;
    const job = await client.invoke('patient');
    given.next = 'new';
    tokens.set([['new', 'ada']]);
    recheck();
    await given.askedTwice.promise;
    for await (const listed of client.jobs()) expect(listed.job_id).toBe(job.id);
    const back = resumed(client);
    cut();
    expect(await back).toBe(true);
    expect(given.asked).toBe(2);
    endJob();
    expect((await job.result()).value).toBe('done');
    expect(client.session.id).toBe(id);
  });

  it('while the connection is lost is shown with the resume', async () => {
    const given = new Source();
    const { tokens, client, cut, endJob } = await scene(given.token, 60_000);
    const { id } = client.session;
    const job = await client.invoke('patient');
    const back = resumed(client);
    given.next = 'new';
    tokens.set([['new', 'ada']]);
    cut();
    expect(await back).toBe(true);
    endJob();
    expect((await job.result()).value).toBe('done');
    expect(client.session.id).toBe(id);
  });

  it('and not known to the client ends it, and what it waits for, with one UNAUTHENTICATED', async () => {
    const { tokens, client, recheck } = await scene('old', 200);
    const job = await client.invoke('patient');
    const lost = job.result().catch((error: unknown) => error);
    const noticed: string[] = [];
    client.on('notice', ({ kind }) => noticed.push(kind));
    tokens.set([['new', 'ada']]);
    recheck();
    expect(await client.closed).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await lost).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(noticed).toEqual(['refresh-failed']);
  });
});

describe('a token that is revoked', () => {
  it('ends the client at once', async () => {
    const { tokens, client, recheck } = await scene('old', 60_000);
    tokens.set([]);
    recheck();
    expect(await client.closed).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'the credential of the session was revoked',
    });
  });

  it('ends it when the connection was lost', async () => {
    const { tokens, client, cut } = await scene('old', 60_000);
    tokens.set([]);
    cut();
    expect(await client.closed).toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});
