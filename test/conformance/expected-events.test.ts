/** What the runs of the conformance agents are held against: it must be able to fail. */
import { describe, expect, it } from 'vitest';
import { expectEvents } from './expected-events.js';

const started = { type: 'job.started', payload: {} };
const warned = { type: 'log', payload: { level: 'warn', message: '1 of 1 USD are spent', attributes: {} } };
const noted = { type: 'metric', payload: { name: 'cost.budget.warning', value: 0, unit: 'USD' } };
const completed = { type: 'job.completed', payload: { value: 1 } };

const expected = [
  { type: 'job.started' },
  { type: 'log', payload: { level: 'warn', message: '1 USD' }, optional: true },
  { type: 'metric', payload: { name: 'cost.budget.warning', value: 0 }, optional: true },
  { type: 'job.completed', payload: { value: 1 } },
];

describe('an event that is optional', () => {
  it.each([
    ['told', [started, warned, noted, completed]],
    ['missing', [started, completed]],
    ['told in part', [started, noted, completed]],
  ])('may be %s', (_how, told) => {
    expectEvents(told, expected);
  });

  it.each([
    [
      'with other fields',
      [started, warned, { ...noted, payload: { ...noted.payload, value: 1 } }, completed],
    ],
    [
      'with another message',
      [started, { ...warned, payload: { ...warned.payload, message: '2' } }, completed],
    ],
    ['out of its order', [started, noted, warned, completed]],
    ['in another place', [warned, started, completed]],
    ['twice', [started, noted, noted, completed]],
  ])('must not be told %s', (_how, told) => {
    expect(() => {
      expectEvents(told, expected);
    }).toThrow();
  });

  it.each([
    ['missing', [started, warned]],
    ['other than it should be', [started, warned, { ...completed, payload: { value: 2 } }]],
    ['followed by another', [started, warned, completed, completed]],
  ])('lets no other be %s', (_how, told) => {
    expect(() => {
      expectEvents(told, expected);
    }).toThrow();
  });
});
