/** What a client knows of the runtime's agents, while they come and go. */
import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/client/index.js';
import type { Payload } from '../../src/protocol/index.js';
import { defineAgent } from '../../src/index.js';
import { testRuntime } from '../../src/testing/index.js';
import { FakeRuntime, turn } from './fake-runtime.js';

const echo = { name: 'echo', versions: ['1.0.0'] };
const changed = (agents: unknown): Payload<'event.emit'> => ({ name: 'agents.changed', data: { agents } });

/** What its listeners are told. */
function toldBy(client: Client): string[][] {
  const told: string[][] = [];
  client.on('agents', (agents) => told.push(agents.map(({ name }) => name)));
  return told;
}

describe('the agents of a runtime', () => {
  it('are what it said last, and listeners are told where they are others', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const told = toldBy(client);
    connection.reply('event.emit', changed([echo]));
    connection.reply('event.emit', changed([echo]));
    await turn();
    expect(client.agents()).toEqual([echo]);
    connection.reply('event.emit', changed([]));
    await turn();
    expect(client.agents()).toEqual([]);
    expect(told).toEqual([['echo'], []]);
  });

  it.each([
    ['a list that makes no sense', changed([{ name: 1 }]), {}],
    ['no list', { name: 'agents.changed' }, {}],
    ['an event of a job that has the name', changed([]), { job_id: 'job_1', event_seq: 1 }],
  ] as const)('are not changed by %s', async (_, payload, fields) => {
    const { client, connection } = await new FakeRuntime().open();
    connection.reply('event.emit', changed([echo]));
    await turn();
    const told = toldBy(client);
    connection.reply('event.emit', payload, fields);
    await turn();
    expect(client.agents()).toEqual([echo]);
    expect(told).toEqual([]);
  });

  it('are right after a resume, whatever came and went meanwhile', async () => {
    await using at = testRuntime();
    let drop = (): void => undefined;
    const client = await at.connect({
      principal: 'ada',
      onDial: (transport) => (drop = () => transport.destroy()),
    });
    const told = toldBy(client);
    const resumed = new Promise<void>((resolve) => {
      client.on('connection', (change) => {
        if (change.state === 'waiting')
          at.runtime.register(defineAgent({ name: 'meanwhile', version: '1.0.0', run: () => undefined }));
        else if (change.state === 'open' && change.resumed) resolve();
      });
    });
    drop();
    await turn();
    await at.clock.advance(100);
    await resumed;
    await turn();
    expect(told).toEqual([['meanwhile']]);
  });
});
