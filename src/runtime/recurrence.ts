/**
 * Recurrence rules (RFC 5545 §3.3.10): when a schedule fires again and again. The library computes; here is what is taken
 * of a client's text, and how much work it may cause (law L7).
 *
 * (Q1) The text is an RRULE, `RRULE:` before it or not, and before that a DTSTART line of its own or not. A DTSTART is
 *      UTC (`…Z`) or has a TZID: a time that floats would be another one for each reader.
 * (Q2) Without DTSTART a rule begins at the next whole second after it was accepted.
 * (Q3) Whatever the text says, finding an occurrence looks at a bounded number of candidates. What is not found so
 *      counts as never.
 */
import { RRuleTemporal } from 'rrule-temporal';
import { ArcpError } from '../protocol/errors.js';
import { quote } from '../protocol/issues.js';

/** Text that is longer is refused unread, in UTF-16 units. */
const MAX_TEXT = 1_024;
/** Periods that are looked at for one occurrence. A daily rule for leap days looks at 2,921. */
const MAX_PERIODS = 3_000;
/** Instants that are looked at for one occurrence. */
const MAX_CANDIDATES = 20_000;
/** Most of COUNT: it is counted from the rule's beginning each time. */
const MAX_COUNT = 1_000;
/** Times of a day that BYHOUR, BYMINUTE and BYSECOND may make together: every five minutes. */
const MAX_TIMES = 288;

const START = /^DTSTART(?:;TZID=([A-Za-z0-9_+/-]{1,64}))?:(\d{8}T\d{6})(Z?)$/i;

/** Numbers that a part takes, from and to; below zero they count from the end, where `signed`. The library drops others. */
const NUMBERS: ReadonlyMap<string, { readonly from: number; readonly to: number; readonly signed?: true }> =
  new Map([
    ['COUNT', { from: 1, to: MAX_COUNT }],
    ['INTERVAL', { from: 1, to: 1_000_000 }],
    ['BYSECOND', { from: 0, to: 59 }],
    ['BYMINUTE', { from: 0, to: 59 }],
    ['BYHOUR', { from: 0, to: 23 }],
    ['BYMONTHDAY', { from: 1, to: 31, signed: true }],
    ['BYYEARDAY', { from: 1, to: 366, signed: true }],
    ['BYWEEKNO', { from: 1, to: 53, signed: true }],
    ['BYMONTH', { from: 1, to: 12 }],
    ['BYSETPOS', { from: 1, to: 366, signed: true }],
  ]);

const WORDS: ReadonlyMap<string, RegExp> = new Map([
  ['FREQ', /^(?:SECONDLY|MINUTELY|HOURLY|DAILY|WEEKLY|MONTHLY|YEARLY)$/],
  ['UNTIL', /^\d{8}T\d{6}Z$/],
  ['WKST', /^(?:MO|TU|WE|TH|FR|SA|SU)$/],
  ['BYDAY', /^(?:[+-]?\d{1,2})?(?:MO|TU|WE|TH|FR|SA|SU)$/],
]);

/** Parts of which there is one value. */
const SINGLE: ReadonlySet<string> = new Set(['FREQ', 'UNTIL', 'COUNT', 'INTERVAL', 'WKST']);

export class Recurrence {
  /** The rule with its DTSTART: what it takes to have it again. */
  readonly text: string;
  readonly #rule: RRuleTemporal;

  private constructor(text: string) {
    this.text = text;
    this.#rule = new RRuleTemporal({
      rruleString: text,
      strict: true,
      cache: false,
      maxIterations: MAX_PERIODS,
      maxCandidateEvaluations: MAX_CANDIDATES,
    });
  }

  /** Reads what a client sent at this time. Throws INVALID_ARGUMENT. */
  static parse(text: string, acceptedAt: number): Recurrence {
    if (text.length > MAX_TEXT) throw invalid(`longer than ${MAX_TEXT} characters`);
    const lines = text.trim().split(/\r?\n/);
    const rule = lines.pop()?.trim() ?? '';
    const [start = startAt(acceptedAt), ...rest] = lines;
    if (rest.length > 0) throw invalid('expected a DTSTART line and an RRULE line at most');
    const parts = START.exec(start.trim());
    if (parts === null || (parts[1] === undefined) !== (parts[3] !== '')) {
      throw invalid('expected DTSTART:20260131T120000Z or DTSTART;TZID=Europe/Paris:20260131T120000');
    }
    checkRule(rule.replace(/^RRULE:/i, ''));
    return Recurrence.restore(`${start.trim()}\nRRULE:${rule.replace(/^RRULE:/i, '')}`);
  }

  /** From its own `text`. */
  static restore(text: string): Recurrence {
    try {
      return new Recurrence(text);
    } catch (error) {
      throw invalid(error instanceof Error ? error.message : String(error));
    }
  }

  /** The first occurrence after this time, in milliseconds since the epoch; nothing where there is none (Q3). */
  after(ms: number): number | undefined {
    return this.#find(() => this.#rule.next(new Date(ms)));
  }

  /** The latest occurrence up to this time, itself included. */
  upTo(ms: number): number | undefined {
    return this.#find(() => this.#rule.previous(new Date(ms), true));
  }

  #find(look: () => { readonly epochMilliseconds: number } | null): number | undefined {
    try {
      return look()?.epochMilliseconds;
    } catch {
      return undefined;
    }
  }
}

function checkRule(rule: string): void {
  const sizes = new Map<string, number>();
  for (const part of rule.toUpperCase().split(';')) {
    const [name = '', value = '', ...rest] = part.split('=');
    if (rest.length > 0 || !(NUMBERS.has(name) || WORDS.has(name))) {
      throw invalid(`${quote(part)} is no part of an RRULE`);
    }
    if (sizes.has(name)) throw invalid(`${name} is there twice`);
    const values = value.split(',');
    if ((SINGLE.has(name) && values.length > 1) || !values.every((one) => isValue(name, one))) {
      throw invalid(`${name} cannot be ${quote(value)}`);
    }
    sizes.set(name, values.length);
  }
  const times = ['BYHOUR', 'BYMINUTE', 'BYSECOND'].reduce(
    (product, name) => product * (sizes.get(name) ?? 1),
    1,
  );
  if (times > MAX_TIMES) throw invalid(`it names ${times} times of a day, and ${MAX_TIMES} are taken`);
}

function isValue(name: string, value: string): boolean {
  const range = NUMBERS.get(name);
  if (range === undefined) return WORDS.get(name)?.test(value) === true;
  const { from, to, signed } = range;
  if (!(signed === true ? /^[+-]?\d{1,7}$/ : /^\d{1,7}$/).test(value)) return false;
  const size = Math.abs(Number(value));
  return size >= from && size <= to;
}

function startAt(ms: number): string {
  const at = new Date(1_000 * Math.ceil(ms / 1_000)).toISOString();
  return `DTSTART:${at.slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

function invalid(why: string): ArcpError {
  return new ArcpError('INVALID_ARGUMENT', `when.every: ${why}`);
}
