import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../src/client/event-queue.js';
import { ArcpError } from '../../src/protocol/index.js';
import { drain } from './fake-runtime.js';

const ROOMY = { items: 1_000, size: 1_000 };

describe('the event queue', () => {
  it('gives everything once and in order, however pushes and reads interleave', async () => {
    const step = fc.oneof(fc.constant('read' as const), fc.constant('push' as const));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const queue = new EventQueue<number>(ROOMY);
        const reads: Promise<IteratorResult<number, undefined>>[] = [];
        let pushed = 0;
        for (const next of steps) {
          if (next === 'read') reads.push(queue.next());
          else queue.push(pushed++, 1);
        }
        queue.end();
        const seen = (await Promise.all(reads)).flatMap((read) => (read.done === true ? [] : [read.value]));
        const rest = await drain(queue);
        expect([...seen, ...rest.items]).toEqual(Array.from({ length: pushed }, (_, i) => i));
      }),
    );
  });

  it('gives what it has, then the error once, then the end', async () => {
    const queue = new EventQueue<string>(ROOMY);
    const error = new ArcpError('UNAVAILABLE', 'gone');
    queue.push('last', 1);
    queue.fail(error);
    expect(await drain(queue)).toEqual({ items: ['last'], error });
    expect(await queue.next()).toEqual({ value: undefined, done: true });
  });

  it('wakes readers that wait when it ends or fails', async () => {
    const ended = new EventQueue<string>(ROOMY);
    const reads = [ended.next(), ended.next()];
    ended.end();
    expect(await Promise.all(reads)).toEqual([
      { value: undefined, done: true },
      { value: undefined, done: true },
    ]);
    const failed = new EventQueue<string>(ROOMY);
    const outcomes = Promise.allSettled([failed.next(), failed.next()]);
    failed.fail(new ArcpError('UNAVAILABLE', 'gone'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  it.each([
    ['too many items', { items: 3, size: 1_000 }],
    ['too large items', { items: 1_000, size: 3 }],
  ])(
    'drops what waits and fails with one BACKPRESSURE_OVERFLOW when there are %s (law L7)',
    async (_, limit) => {
      let released = 0;
      const queue = new EventQueue<number>(limit, () => (released += 1));
      for (let i = 0; i < 10; i++) queue.push(i, 1);
      const { items, error } = await drain(queue);
      expect(items).toEqual([]);
      expect(error).toMatchObject({ code: 'BACKPRESSURE_OVERFLOW' });
      expect(released).toBe(1);
    },
  );

  it('lets a reader that had begun finish what it took before the overflow', async () => {
    const queue = new EventQueue<number>({ items: 2, size: 1_000 });
    queue.push(0, 1);
    queue.push(1, 1);
    expect((await queue.next()).value).toBe(0);
    for (let i = 2; i < 9; i++) queue.push(i, 1);
    const { items, error } = await drain(queue);
    expect(items).toEqual([1]);
    expect(error).toMatchObject({ code: 'BACKPRESSURE_OVERFLOW' });
  });

  it('counts only what waits: a reader that keeps up never overflows', async () => {
    const queue = new EventQueue<number>({ items: 4, size: 4 });
    for (let i = 0; i < 100; i++) {
      queue.push(i, 2);
      queue.push(i, 2);
      expect([await queue.next(), await queue.next()]).toEqual([
        { value: i, done: false },
        { value: i, done: false },
      ]);
    }
  });

  it('lets go of everything when its reader leaves', async () => {
    let released = 0;
    const queue = new EventQueue<number>(ROOMY, () => (released += 1));
    queue.push(1, 1);
    queue.push(2, 1);
    for await (const item of queue) {
      expect(item).toBe(1);
      break;
    }
    queue.push(3, 1);
    expect(await drain(queue)).toEqual({ items: [], error: undefined });
    expect(released).toBe(1);
  });
});
