import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spendingLines, treeLines } from '../../src/cli/job-lines.js';
import { JobWatch } from '../../src/cli/job-watch.js';
import { widthOf } from '../../src/cli/text.js';
import type { JobEvent } from '../../src/client/index.js';
import { formatAmount } from '../../src/protocol/index.js';
import { accepted, charged, jobEvent } from './job-events.js';

const ROOM = { columns: 80, rows: 24, color: false };

function watching(...events: JobEvent[]): JobWatch {
  const watch = new JobWatch('job_root');
  for (const event of events) watch.apply(event, 0);
  return watch;
}

function lines(watch: JobWatch, room: Partial<typeof ROOM> = {}, now = 1_500): string[] {
  return treeLines(watch, now, { ...ROOM, ...room }).map((line) => line.replace(/ {2,}/g, '  ').trimEnd());
}

describe('the tree of a watched job', () => {
  it('grows as jobs are delegated, and says what each was asked to do', () => {
    const watch = watching(
      accepted('root', 'report@1.0.0'),
      jobEvent('job.started', 'root'),
      jobEvent('agent.delegate', 'root', { target: 'stats', task: 'Count src', delegate_id: 'del_1' }),
      accepted('a', 'stats@1.0.0', 'root', 'del_1'),
      accepted('b', 'stats@1.0.0', 'root'),
      accepted('c', 'deep@1.0.0', 'a'),
    );
    expect(lines(watch)).toEqual([
      '▸ report@1.0.0  1.5 s',
      '├─ · stats@1.0.0: Count src  accepted  1.5 s',
      '│  └─ · deep@1.0.0  accepted  1.5 s',
      '└─ · stats@1.0.0  accepted  1.5 s',
    ]);
  });

  it('shows progress while a job runs, and its outcome afterwards', () => {
    const watch = watching(accepted('root', 'a@1'), jobEvent('job.started', 'root'));
    watch.apply(
      jobEvent('job.progress', 'root', { current: 3, total: 6, units: 'files', message: 'main.ts' }),
      0,
    );
    expect(lines(watch)).toEqual(['▸ a@1  ██████░░░░░░ 3/6 files  main.ts  1.5 s']);
    watch.apply(jobEvent('job.failed', 'root', { code: 'INTERNAL', message: 'no luck' }), 700);
    expect(lines(watch)).toEqual(['✗ a@1  INTERNAL: no luck  0.7 s']);
  });

  it('shows percent where that is all there is, and the result as it comes', () => {
    const watch = watching(accepted('root', 'a@1'), jobEvent('job.progress', 'root', { percent: 50 }));
    expect(lines(watch)[0]).toContain('50 %');
    const streaming = watching(
      accepted('root', 'a@1'),
      jobEvent('job.result_chunk', 'root', {
        result_id: 'res_1',
        chunk_seq: 0,
        data: 'x',
        encoding: 'utf8',
        more: true,
      }),
    );
    expect(lines(streaming)[0]).toContain('1 result chunk');
  });

  it('follows the state that heartbeats tell', () => {
    const watch = watching(
      accepted('root', 'a@1'),
      jobEvent('job.heartbeat', 'root', { sequence: 1, state: 'queued' }),
    );
    expect(lines(watch)).toEqual(['… a@1  queued  1.5 s']);
  });

  it('never lets an agent write to the terminal what it would obey', () => {
    const watch = watching(
      accepted('root', 'a@1'),
      jobEvent('job.progress', 'root', { percent: 1, message: '\u001b]0;owned\u0007\nnext' }),
    );
    expect(lines(watch).join('')).not.toMatch(/[\u0000-\u001f]/);
  });

  it('is never wider or higher than its room', () => {
    const messages = fc.string({ unit: 'grapheme', maxLength: 60 });
    fc.assert(
      fc.property(
        fc.array(messages, { maxLength: 30 }),
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 20 }),
        (told, columns, rows) => {
          const watch = watching(accepted('root', 'report@1.0.0'));
          for (const [index, message] of told.entries()) {
            watch.apply(accepted(`c${index}`, 'child@1.0.0', index % 3 === 2 ? `c${index - 1}` : 'root'), 0);
            watch.apply(jobEvent('job.progress', `c${index}`, { percent: 10, message }), 0);
            if (index % 2 === 0) watch.apply(jobEvent('job.completed', `c${index}`), 0);
          }
          const drawn = treeLines(watch, 0, { columns, rows, color: false });
          expect(drawn.length).toBeLessThanOrEqual(rows);
          for (const line of drawn) expect(widthOf(line)).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });

  it('leaves out ended jobs before running ones when there is no room, and says how many', () => {
    const watch = watching(accepted('root', 'r@1'));
    for (const name of ['a', 'b', 'c', 'd']) watch.apply(accepted(name, `${name}@1`, 'root'), 0);
    for (const name of ['a', 'c']) watch.apply(jobEvent('job.completed', name), 0);
    expect(lines(watch, { rows: 4 })).toEqual([
      '· r@1  accepted  1.5 s',
      '├─ · b@1  accepted  1.5 s',
      '└─ · d@1  accepted  1.5 s',
      '  and 2 more',
    ]);
  });

  it('holds a bounded number of jobs however many there were, and loses no money over it (W1, W2)', () => {
    const watch = watching(accepted('root', 'r@1'));
    for (let index = 0; index < 2_000; index += 1) {
      watch.apply(accepted(`c${index}`, 'child@1', 'root'), 0);
      watch.apply(charged(`c${index}`, '0.01', 'USD'), 0);
      watch.apply(jobEvent('job.completed', `c${index}`), 0);
    }
    expect(watch.root?.children.size).toBe(500);
    expect(watch.forgotten).toBe(1_500);
    expect(spendingLines(watch.spending)).toEqual(['spent  child@1  20 USD']);
  });
});

describe('the money that is shown', () => {
  it('is told by agent and currency, with the sum', () => {
    const watch = watching(
      accepted('root', 'report@1'),
      accepted('a', 'stats@1', 'root'),
      charged('root', '0.5', 'USD'),
      charged('a', '0.25', 'USD'),
      charged('a', '3', 'credits'),
      charged('a', '1', 'USD', 'cost.budget.remaining'),
    );
    expect(spendingLines(watch.spending)).toEqual([
      'spent  report@1  0.5 USD',
      'spent  stats@1   0.25 USD, 3 credits',
      'spent  together  0.75 USD, 3 credits',
    ]);
  });

  it('is exact, where adding the numbers would not be', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 1 }), (cents) => {
        const watch = watching(accepted('root', 'a@1'));
        for (const cent of cents) {
          const event = jobEvent('metric', 'root', { name: 'cost.x', value: cent / 100, unit: 'USD' });
          watch.apply(event, 0);
        }
        const total = watch.spending.get('a@1')?.get('USD') ?? 0n;
        expect(total).toBe(BigInt(cents.reduce((sum, cent) => sum + cent, 0)) * 10n ** 16n);
        expect(spendingLines(watch.spending)).toEqual([`spent  a@1  ${formatAmount(total)} USD`]);
      }),
    );
  });

  it('leaves out what is not an amount', () => {
    const watch = watching(
      accepted('root', 'a@1'),
      jobEvent('metric', 'root', { name: 'cost.x', value: -1, unit: 'USD' }),
      jobEvent('metric', 'root', { name: 'latency', value: 12, unit: 'ms' }),
    );
    expect(spendingLines(watch.spending)).toEqual([]);
  });
});
