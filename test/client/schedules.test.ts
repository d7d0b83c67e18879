/** `client.schedule`, `client.schedules` and `client.cancelSchedule`. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import { testRuntime } from '../../src/testing/index.js';

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('a client', () => {
  it('schedules, and watches what comes of it from whichever session', async () => {
    await using test = testRuntime({ agents: [echo] });
    const client = await test.connect({ principal: 'ada' });
    const id = await client.schedule('echo', { n: 1 }, { after: 60 }, { budget: ['USD:1'] });
    const daily = await client.schedule('echo', {}, { every: 'FREQ=DAILY;BYHOUR=6;BYMINUTE=0;BYSECOND=0' });
    await client.schedule('echo', {}, { at: new Date(Date.UTC(2026, 1, 1)) });
    await client.close();
    await test.clock.advance(60_000);
    const later = await test.connect({ principal: 'ada' });
    const listed = await all(later.schedules());
    expect(listed.map(({ status, next_at }) => [status, next_at])).toEqual(
      expect.arrayContaining([
        ['done', undefined],
        ['active', '2026-01-01T06:00:00.000Z'],
        ['active', '2026-02-01T00:00:00.000Z'],
      ]),
    );
    const done = listed.find(({ schedule_id }) => schedule_id === id);
    const job = await later.watch(done?.last_job_id ?? '');
    expect((await job.result()).value).toEqual({ n: 1 });
    await later.cancelSchedule(daily);
    await expect(later.cancelSchedule(daily)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await expect(later.cancelSchedule('sched_none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('has one schedule of it, also when the connection drops before the answer', async () => {
    await using test = testRuntime({ agents: [echo] });
    const wires: MemoryTransport[] = [];
    const client = await test.connect({ principal: 'ada', onDial: (wire) => wires.push(wire) });
    const scheduled = client.schedule('echo', {}, { after: 60 });
    wires[0]?.destroy();
    await test.clock.advance(5_000);
    const id = await scheduled;
    expect((await all(client.schedules())).map(({ schedule_id }) => schedule_id)).toEqual([id]);
  });

  it('learns what is wrong with a rule', async () => {
    await using test = testRuntime({ agents: [echo] });
    const client = await test.connect({ principal: 'ada' });
    await expect(client.schedule('echo', {}, { every: 'now and then' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('when.every') as string,
    });
  });
});
