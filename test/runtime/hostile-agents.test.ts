/** Each test pins one way in which an agent could take its job, or everybody's runtime, down. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ArcpError } from '../../src/index.js';
import { endOf } from './run-one.js';

describe('what an agent throws fails its job and nothing else (L1, L6)', () => {
  it.each<[string, unknown, string]>([
    ['an Error', new Error('out of ink'), 'out of ink'],
    ['a string', 'out of ink', 'out of ink'],
    ['nothing', undefined, 'undefined'],
    ['an object without a prototype', Object.create(null), ''],
    [
      'an error that cannot be read',
      {
        get message(): string {
          throw new Error('no');
        },
      },
      '',
    ],
    ['a lone surrogate', new Error('\ud800 ink'), '\ufffd ink'],
    [
      'an error whose details are no JSON',
      new ArcpError('NOT_FOUND', 'gone', { details: { n: 1n } }),
      'gone',
    ],
  ])('%s, sync or async', async (_what, thrown, message) => {
    const sync = await endOf(() => {
      throw thrown;
    });
    const late = await endOf(async () => {
      await Promise.resolve();
      throw thrown;
    });
    expect(sync).toMatchObject({ type: 'job.failed', message: expect.stringContaining(message) as string });
    expect(late).toMatchObject({ type: 'job.failed', message: expect.stringContaining(message) as string });
  });

  it('an error of many megabytes is cut so that every client can take it (L7)', async () => {
    const end = await endOf(() => Promise.reject(new Error('x'.repeat(5_000_000))));
    expect(end.type).toBe('job.failed');
    expect(end.message?.length).toBeLessThan(10_000);
  });

  it('keeps the code, the message and the details of an ArcpError', async () => {
    const error = new ArcpError('NOT_FOUND', 'no such page', { details: { page: 7 } });
    expect(await endOf(() => Promise.reject(error))).toEqual({
      type: 'job.failed',
      code: 'NOT_FOUND',
      message: 'no such page',
      retryable: false,
      details: { page: 7 },
    });
  });
});

describe('what an agent returns', () => {
  it.each<[string, unknown, unknown]>([
    ['null', null, null],
    ['a list', [1, 'two', { three: 3 }], [1, 'two', { three: 3 }]],
    ['NaN inside, which JSON has no word for', { n: Number.NaN }, { n: null }],
    ['text with a lone surrogate, as a free value (decision 25)', '\ud800', '\ud800'],
  ])('%s is the inline value', async (_what, value, expected) => {
    expect(await endOf(() => value)).toEqual({ type: 'job.completed', value: expected });
  });

  it('undefined completes without a value', async () => {
    expect(await endOf(() => undefined)).toEqual({ type: 'job.completed' });
  });

  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  let nested: unknown = 0;
  for (let depth = 0; depth < 500; depth += 1) nested = [nested];
  let bottomless: unknown = 0;
  for (let depth = 0; depth < 100_000; depth += 1) bottomless = [bottomless];
  let calls = 0;
  const fickle = {
    toJSON(): unknown {
      calls += 1;
      if (calls > 1) throw new Error('only once');
      return 'once';
    },
  };
  it.each<[string, unknown]>([
    ['a BigInt', { n: 1n }],
    ['a cycle', cycle],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['deeper nesting than peers read', nested],
    ['nesting beyond the stack', bottomless],
  ])('%s is INVALID_ARGUMENT', async (_what, value) => {
    expect(await endOf(() => value)).toMatchObject({ type: 'job.failed', code: 'INVALID_ARGUMENT' });
  });

  it('is turned into text once (L1)', async () => {
    expect(await endOf(() => fickle)).toEqual({ type: 'job.completed', value: 'once' });
  });

  it('may be any thenable', async () => {
    const thenable = {
      then: (resolve: (value: string) => void) => {
        resolve('later');
      },
    };
    expect(await endOf(() => thenable)).toEqual({ type: 'job.completed', value: 'later' });
  });

  it('is RESOURCE_EXHAUSTED, not retryable, when it does not fit a frame (L7)', async () => {
    expect(await endOf(() => 'x'.repeat(2_000_000))).toMatchObject({
      type: 'job.failed',
      code: 'RESOURCE_EXHAUSTED',
      retryable: false,
    });
  });
});

describe('the input schema', () => {
  it('refuses arguments before the agent runs', async () => {
    const end = await endOf(() => 'ran', { n: 'one' }, z.object({ n: z.number() }));
    expect(end).toMatchObject({ type: 'job.failed', code: 'INVALID_ARGUMENT' });
    expect(end.message).toContain('arguments.n');
  });

  it('that throws, or that is asynchronous, fails the job and not the runtime', async () => {
    const throwing = z.unknown().transform(() => {
      throw new Error('broken schema');
    });
    expect(await endOf(() => 'ran', {}, throwing)).toMatchObject({
      type: 'job.failed',
      message: 'broken schema',
    });
    const slow = z.unknown().refine(() => Promise.resolve(false));
    expect(await endOf(() => 'ran', {}, slow)).toMatchObject({ type: 'job.failed' });
  });

  it('with a hundred thousand complaints still makes an event that fits a frame (L7)', async () => {
    const end = await endOf(
      () => 'ran',
      Array.from({ length: 100_000 }, () => 1),
      z.array(z.string()),
    );
    expect(end).toMatchObject({ type: 'job.failed', code: 'INVALID_ARGUMENT' });
  });
});

describe('a promise that the agent does not wait for never takes the process down', () => {
  it('a refused charge, a refused delegation', async () => {
    const end = await endOf((ctx) => {
      void ctx.charge('cost.x', 'many', 'USD');
      void ctx.delegate('no such name');
      return 'done';
    });
    expect(end).toMatchObject({ type: 'job.completed', value: 'done' });
  });

  it('a result stream that breaks with nobody listening', async () => {
    const end = await endOf((ctx) => {
      ctx.openResult().write('\udc00 is no text');
      return undefined;
    });
    expect(end).toMatchObject({ type: 'job.failed' });
  });
});
