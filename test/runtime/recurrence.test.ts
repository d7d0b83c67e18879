/** Recurrence rules: what the library makes of time zones, leap days and ends, and what of a client's text is refused. */
import { describe, expect, it } from 'vitest';
import { Recurrence } from '../../src/runtime/recurrence.js';

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0, 250);

function occurrences(text: string, count: number, now = NOW): string[] {
  const rule = Recurrence.parse(text, now);
  const found: string[] = [];
  for (let at = rule.after(now - 1); at !== undefined && found.length < count; at = rule.after(at)) {
    found.push(new Date(at).toISOString());
  }
  return found;
}

describe('a rule', () => {
  it('without DTSTART begins at the next whole second', () => {
    expect(occurrences('FREQ=HOURLY;COUNT=3', 9)).toEqual([
      '2026-01-01T12:00:01.000Z',
      '2026-01-01T13:00:01.000Z',
      '2026-01-01T14:00:01.000Z',
    ]);
  });

  it('keeps the local time across the changes of summer time, and leaves out what the clock leaves out', () => {
    const rule = 'DTSTART;TZID=America/New_York:20260306T023000\nRRULE:FREQ=DAILY;COUNT=4';
    expect(occurrences(rule, 9)).toEqual([
      '2026-03-06T07:30:00.000Z',
      '2026-03-07T07:30:00.000Z',
      '2026-03-09T06:30:00.000Z',
      '2026-03-10T06:30:00.000Z',
    ]);
    const autumn = 'DTSTART;TZID=Europe/Berlin:20261024T023000\nRRULE:FREQ=DAILY';
    expect(occurrences(autumn, 3)).toEqual([
      '2026-10-24T00:30:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  it('waits for leap days', () => {
    const start = 'DTSTART:20240229T000000Z\n';
    expect(occurrences(`${start}RRULE:FREQ=YEARLY`, 2)).toEqual([
      '2028-02-29T00:00:00.000Z',
      '2032-02-29T00:00:00.000Z',
    ]);
    expect(occurrences(`${start}RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29`, 1, Date.UTC(2097, 0, 1))).toEqual([
      '2104-02-29T00:00:00.000Z',
    ]);
  });

  it('ends at UNTIL, inclusive, and after COUNT, counted from DTSTART', () => {
    const start = 'DTSTART:20251231T090000Z\n';
    expect(occurrences(`${start}FREQ=DAILY;UNTIL=20260103T090000Z`, 9)).toEqual([
      '2026-01-02T09:00:00.000Z',
      '2026-01-03T09:00:00.000Z',
    ]);
    expect(occurrences(`${start}FREQ=DAILY;COUNT=3`, 9)).toEqual(['2026-01-02T09:00:00.000Z']);
  });

  it('that began long ago costs no more than one that begins now', () => {
    const start = performance.now();
    const rule = 'DTSTART:19700101T000000Z\nRRULE:FREQ=MINUTELY;INTERVAL=7';
    expect(occurrences(rule, 2)).toEqual(['2026-01-01T12:01:00.000Z', '2026-01-01T12:08:00.000Z']);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it('is the same rule when it is read from what was kept', () => {
    const rule = Recurrence.parse('rrule:freq=weekly;byday=MO,WE', NOW);
    const again = Recurrence.restore(rule.text);
    expect(again.text).toBe(rule.text);
    expect(again.after(NOW)).toBe(rule.after(NOW));
    expect(again.upTo(NOW + 30 * 86_400_000)).toBe(rule.upTo(NOW + 30 * 86_400_000));
  });

  it.each([
    'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30',
    'FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30',
    'DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY;COUNT=2',
    'DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY;UNTIL=20210101T000000Z',
  ])('that never fires gives nothing, in bounded time: %j', (text) => {
    const start = performance.now();
    expect(Recurrence.parse(text, NOW).after(NOW)).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

const list = (count: number): string => Array.from({ length: count }, (_, at) => at).join(',');

describe('a text is refused', () => {
  it.each([
    ['that is no rule', 'every day'],
    ['without a FREQ', 'COUNT=3'],
    ['with a FREQ that is none', 'FREQ=OFTEN'],
    ['with a part that is none', 'FREQ=DAILY;BYMOOD=GOOD'],
    ['with a part twice', 'FREQ=DAILY;FREQ=DAILY'],
    ['with a part without value', 'FREQ=DAILY;COUNT='],
    ['with COUNT and UNTIL', 'FREQ=DAILY;COUNT=3;UNTIL=20270101T000000Z'],
    ['with an UNTIL that floats', 'FREQ=DAILY;UNTIL=20270101T000000'],
    ['with an hour that is none', 'FREQ=DAILY;BYHOUR=9,25'],
    ['with a month that is none', 'FREQ=DAILY;BYMONTH=0'],
    ['with a weekday that is none', 'FREQ=WEEKLY;BYDAY=MO,XX'],
    ['with a number that is none', 'FREQ=DAILY;BYMINUTE=1,,2'],
    ['with a calendar of its own', 'RSCALE=HEBREW;FREQ=YEARLY'],
    ['with an interval of 0', 'FREQ=DAILY;INTERVAL=0'],
    ['with a DTSTART that floats', 'DTSTART:20260101T000000\nRRULE:FREQ=DAILY'],
    ['with a DTSTART that is a date', 'DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY'],
    ['with a DTSTART in two zones', 'DTSTART;TZID=Europe/Paris:20260101T000000Z\nRRULE:FREQ=DAILY'],
    ['with a zone that is none', 'DTSTART;TZID=Mars/Olympus:20260101T000000\nRRULE:FREQ=DAILY'],
    ['with a day that is none', 'DTSTART:20260231T000000Z\nRRULE:FREQ=DAILY'],
    ['with other lines', 'DTSTART:20260101T000000Z\nEXDATE:20260102T000000Z\nRRULE:FREQ=DAILY'],
    ['that counts too far', 'FREQ=DAILY;COUNT=1000000'],
    ['with too many times of a day', `FREQ=YEARLY;BYHOUR=${list(24)};BYMINUTE=${list(60)}`],
    ['that is too long', `FREQ=YEARLY;BYYEARDAY=${list(366)}`],
  ])('%s', (_what, text) => {
    expect(() => Recurrence.parse(text, NOW)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
