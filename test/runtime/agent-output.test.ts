/** What agents tell: what is wrong is refused to them, never rounded or replaced (decision 25). */
import { describe, expect, it } from 'vitest';
import type { ArcpError, JobContext } from '../../src/index.js';
import { endOf } from './run-one.js';

describe('what an agent tells', () => {
  it.each<[string, (ctx: JobContext) => void]>([
    [
      'a lone surrogate in a log',
      (ctx) => {
        ctx.log('info', '\ud800');
      },
    ],
    [
      'a lone surrogate in a progress message',
      (ctx) => {
        ctx.progress({ message: '\ud800' });
      },
    ],
    [
      'a lone surrogate in progress units',
      (ctx) => {
        ctx.progress({ units: '\ud800' });
      },
    ],
    [
      'a lone surrogate in a summary',
      (ctx) => {
        ctx.summarize('\ud800');
      },
    ],
    [
      'a lone surrogate in a metric unit',
      (ctx) => {
        ctx.metric('m', 1, { unit: '\ud800' });
      },
    ],
    [
      'a metric without a name',
      (ctx) => {
        ctx.metric('', 1);
      },
    ],
    [
      'a metric that is not finite',
      (ctx) => {
        ctx.metric('m', Number.POSITIVE_INFINITY);
      },
    ],
    [
      'a metric beyond 2^53',
      (ctx) => {
        ctx.metric('m', 2 ** 53);
      },
    ],
    [
      'a log level that does not exist',
      (ctx) => {
        ctx.log('loud' as 'info', 'm');
      },
    ],
    [
      'a log message that is no text',
      (ctx) => {
        ctx.log('info', 42 as unknown as string);
      },
    ],
    [
      'a log attribute without a JSON form',
      (ctx) => {
        ctx.log('info', 'm', { n: 1n as unknown as number });
      },
    ],
    [
      'progress over 100 percent',
      (ctx) => {
        ctx.progress({ percent: 101 });
      },
    ],
    [
      'negative progress',
      (ctx) => {
        ctx.progress({ current: -1 });
      },
    ],
    [
      'progress beyond its total',
      (ctx) => {
        ctx.progress({ current: 3, total: 2 });
      },
    ],
    [
      'progress that is NaN',
      (ctx) => {
        ctx.progress({ percent: Number.NaN });
      },
    ],
    [
      'a heartbeat deadline that is no number',
      (ctx) => {
        ctx.heartbeat({ deadlineMs: Number.NaN });
      },
    ],
    [
      'a heartbeat deadline in the past',
      (ctx) => {
        ctx.heartbeat({ deadlineMs: -1 });
      },
    ],
    [
      'a fractional heartbeat deadline',
      (ctx) => {
        ctx.heartbeat({ deadlineMs: 1.5 });
      },
    ],
    [
      'a chunk of a result without a name',
      (ctx) => {
        ctx.resultChunk({ result_id: '', chunk_seq: 0, data: '', encoding: 'utf8', more: false });
      },
    ],
    [
      'a chunk in an encoding that does not exist',
      (ctx) => {
        ctx.resultChunk({
          result_id: 'res_1',
          chunk_seq: 0,
          data: '',
          encoding: 'hex' as 'utf8',
          more: false,
        });
      },
    ],
  ])('%s is refused to it (decision 25)', async (_what, tell) => {
    expect(
      await endOf((ctx) => {
        tell(ctx);
      }),
    ).toMatchObject({ type: 'job.failed', code: 'INVALID_ARGUMENT' });
  });

  it.each(['\ud800', '', 'US D', 'x'.repeat(33)])(
    'the currency %j is refused before anything is spent',
    async (currency) => {
      expect(await endOf((ctx) => ctx.charge('cost.x', '1', currency))).toMatchObject({
        type: 'job.failed',
        code: 'INVALID_ARGUMENT',
      });
    },
  );

  it('after its end is dropped where it has no answer and refused where it has one (R2)', async () => {
    let late: JobContext | undefined;
    const outcomes: unknown[] = [];
    await endOf((ctx) => {
      late = ctx;
      return 'early';
    });
    late?.progress({ percent: 1 });
    late?.log('info', 'still here');
    late?.heartbeat();
    const code = (error: unknown): void => void outcomes.push((error as ArcpError).code);
    await late?.charge('cost.x', '1', 'USD').catch(code);
    await Promise.resolve()
      .then(() => late?.delegate('good'))
      .catch(code);
    expect(outcomes).toEqual(['FAILED_PRECONDITION', 'FAILED_PRECONDITION']);
    expect(late?.signal.aborted).toBe(true);
  });
});
