/** The tables of the draft, and what holds for every frame and every error. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  commonFeatures,
  decodeDraftFrame,
  DRAFT_ERROR_CODES,
  DRAFT_FEATURES,
  DRAFT_MESSAGE_TYPES,
  DRAFT_MESSAGES,
  DRAFT_STATUSES,
  draftRuleFor,
  draftStatus,
  ERROR_CODES,
  fromDraftCode,
  isTraceId,
  JOB_STATES,
  readTraceId,
  statesOf,
  toDraftError,
  type DraftMessageRule,
} from '../../../src/protocol/index.js';

const rules: [string, DraftMessageRule][] = Object.entries(DRAFT_MESSAGES);

describe('the message table of the draft', () => {
  it('has every type of draft-1.1 and of its version 1.0, and no other', () => {
    expect(DRAFT_MESSAGE_TYPES.toSorted().join(' ')).toBe(
      'job.accepted job.cancel job.cancelled job.error job.event job.result job.submit job.subscribe job.subscribed ' +
        'job.unsubscribe session.ack session.bye session.close session.closed session.error session.hello ' +
        'session.jobs session.list_jobs session.ping session.pong session.resume session.welcome',
    );
  });

  it('numbers job.event, job.result and job.error, and nothing else (M1)', () => {
    expect(rules.filter(([, { numbered }]) => numbered).map(([type]) => type)).toEqual([
      'job.event',
      'job.result',
      'job.error',
    ]);
  });

  it('names as answers only types that the other side may send', () => {
    for (const [type, { answers }] of rules) {
      for (const answer of answers) expect(draftRuleFor(answer)?.direction, type).not.toBe('client');
    }
  });
});

describe('reading a frame', () => {
  const names = fc.constantFrom(
    'arcp',
    'id',
    'type',
    'session_id',
    'job_id',
    'trace_id',
    'event_seq',
    'payload',
  );
  const types = fc.oneof(fc.constantFrom(...DRAFT_MESSAGE_TYPES), fc.string());
  const frames = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.dictionary(names, fc.jsonValue()).map((frame) => JSON.stringify(frame)),
    fc
      .record({ arcp: fc.constant('1.1'), id: fc.string(), type: types, payload: fc.jsonValue() })
      .map((frame) => JSON.stringify(frame)),
  );

  it('never throws, and gives an envelope or says what was wrong', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        const read = decodeDraftFrame(frame);
        if (read.ok) expect(draftRuleFor(read.envelope.type)).toBeDefined();
        else expect(read.refusal.message).not.toBe('');
      }),
      { numRuns: 2_000 },
    );
  });

  it('carries the id of a frame into its refusal whenever it has one', () => {
    const id = fc.string({ minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(id, types, fc.jsonValue(), (given, type, payload) => {
        const read = decodeDraftFrame(JSON.stringify({ arcp: '1.1', id: given, type, payload }));
        expect(read.ok ? read.envelope.id : read.refusal.id).toBe(given);
      }),
    );
  });
});

describe('errors', () => {
  it.each(ERROR_CODES)(
    '%s has a code of the draft, with the retryable that the draft wants (X1, X2)',
    (code) => {
      fc.assert(
        fc.property(fc.option(fc.boolean(), { nil: undefined }), (retryable) => {
          const error = toDraftError({ code, message: 'm', retryable, details: { a: 1 } });
          expect(DRAFT_ERROR_CODES).toContain(error.code);
          if (error.code === 'INTERNAL_ERROR') expect(error.retryable).toBe(true);
          if (error.code === 'LEASE_EXPIRED' || error.code === 'BUDGET_EXHAUSTED') {
            expect(error.retryable).toBe(false);
          }
          const meant = error.details?.['native_code'] ?? fromDraftCode(error.code);
          expect(meant === code || error.code === code).toBe(true);
        }),
      );
    },
  );

  it.each(DRAFT_ERROR_CODES)('%s is understood by its own name', (code) => {
    expect(toDraftError({ code: fromDraftCode(code), message: 'm' }).code).toBe(code);
  });

  it('always have a message and, if any, details that are an object (X3)', () => {
    expect(toDraftError({ code: 'UNKNOWN', message: '' }, { request_id: 'm1' })).toEqual({
      code: 'INTERNAL_ERROR',
      message: 'INTERNAL_ERROR',
      retryable: true,
      details: { native_code: 'UNKNOWN', request_id: 'm1' },
    });
    expect(toDraftError({ code: 'INTERNAL', message: 'x', details: [1] }).details).toEqual({ details: [1] });
    expect(toDraftError({ code: 'CANCELLED', message: 'x' })).not.toHaveProperty('details');
  });

  it('of a vendor are UNKNOWN', () => {
    expect(fromDraftCode('x-vendor.acme.TIRED')).toBe('UNKNOWN');
    expect(fromDraftCode('constructor')).toBe('UNKNOWN');
  });
});

describe('statuses', () => {
  it('sum up the states, and name them again', () => {
    for (const state of JOB_STATES) {
      const status = draftStatus(state);
      expect(statesOf(status)).toContain(state === 'failed' ? 'error' : state);
    }
    expect(DRAFT_STATUSES.flatMap(statesOf).toSorted()).toEqual(
      [...JOB_STATES.filter((state) => state !== 'failed'), 'error', 'timed_out'].toSorted(),
    );
  });

  it('tell a timeout from other failures', () => {
    expect(draftStatus('failed', 'TIMEOUT')).toBe('timed_out');
    expect(draftStatus('failed', 'DEADLINE_EXCEEDED')).toBe('timed_out');
    expect(draftStatus('failed', 'ABORTED')).toBe('error');
    expect(draftStatus('completed', 'TIMEOUT')).toBe('success');
  });
});

it('features are what both sides have, in the order of the table', () => {
  expect(commonFeatures(DRAFT_FEATURES, ['subscribe', 'time_travel', 'ack'])).toEqual(['ack', 'subscribe']);
  expect(commonFeatures(['ack'], undefined)).toEqual([]);
});

it('a trace id is 32 lower-case hex digits that are not all 0, alone or in a traceparent', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  expect(isTraceId(id)).toBe(true);
  expect(readTraceId(`00-${id}-00f067aa0ba902b7-01`)).toBe(id);
  for (const other of [
    '',
    id.toUpperCase(),
    `${id}0`,
    '0'.repeat(32),
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
  ])
    expect(readTraceId(other), other).toBeUndefined();
});
