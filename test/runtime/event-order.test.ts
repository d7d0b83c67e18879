import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventOrder, inCommitOrder } from '../../src/runtime/event-order.js';

describe('the order of a log’s events', () => {
  it('says for each event its position and number, counts up to either, and cuts the log where others came between', () => {
    const steps = fc.array(fc.record({ skip: fc.nat({ max: 2 }), untold: fc.nat({ max: 2 }) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(steps, fc.nat({ max: 45 }), (events, after) => {
        const order = new EventOrder();
        const positions: number[] = [];
        const numbers: number[] = [];
        for (const { skip, untold } of events) {
          positions.push((positions.at(-1) ?? 0) + 1 + skip);
          numbers.push((numbers.at(-1) ?? 0) + 1 + untold);
          order.note(positions.at(-1) ?? 0, numbers.at(-1) ?? 0);
        }
        expect(events.map((_, index) => order.positionOf(index + 1))).toEqual(positions);
        expect(events.map((_, index) => order.numberOf(index + 1))).toEqual(numbers);
        expect([order.lastPosition, order.lastNumber]).toEqual([positions.at(-1) ?? 0, numbers.at(-1) ?? 0]);
        for (let value = 0; value < 130; value += 1) {
          expect(order.countToPosition(value)).toBe(positions.filter((one) => one <= value).length);
          expect(order.countToNumber(value)).toBe(numbers.filter((one) => one <= value).length);
        }
        const spread = inCommitOrder(order.stretchesAfter(after)).flatMap(({ from, to, position }) =>
          Array.from({ length: to - from + 1 }, (_, index) => [from + index, position + index]),
        );
        expect(spread).toEqual(positions.map((position, index) => [index + 1, position]).slice(after));
      }),
    );
  });

  it('is counted anew as a whole, and what stays unknown has no number', () => {
    const steps = fc.array(fc.record({ skip: fc.nat({ max: 2 }), untold: fc.nat({ max: 2 }) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(steps, fc.integer({ min: -20, max: 60 }), fc.nat({ max: 90 }), (events, by, unknown) => {
        const order = new EventOrder();
        let position = 0;
        let number = 20;
        const expected: number[] = [];
        for (const { skip, untold } of events) {
          order.note((position += 1 + skip), (number += 1 + untold));
          expected.push(number + by <= unknown ? 0 : number + by);
        }
        const places = events.map((_, index) => order.positionOf(index + 1));
        order.renumber(by, unknown);
        expect(events.map((_, index) => order.numberOf(index + 1))).toEqual(expected);
        expect(events.map((_, index) => order.positionOf(index + 1))).toEqual(places);
        expect(order.lastNumber).toBe(expected.at(-1) ?? 0);
        const next = (expected.at(-1) ?? 0) + 1;
        order.note(position + 1, next);
        expect(order.numberOf(events.length + 1)).toBe(next);
      }),
    );
  });

  it('knows where events are whose numbers are not known, and counts them to no number', () => {
    const order = new EventOrder();
    for (const [position, number] of [
      [4, 0],
      [5, 0],
      [9, 0],
      [10, 1],
      [11, 2],
    ] as const)
      order.note(position, number);
    expect([1, 2, 3, 4, 5].map((seq) => order.numberOf(seq))).toEqual([0, 0, 0, 1, 2]);
    expect([1, 2, 3, 4, 5].map((seq) => order.positionOf(seq))).toEqual([4, 5, 9, 10, 11]);
    expect([0, 1, 2].map((number) => order.countToNumber(number))).toEqual([0, 4, 5]);
    expect([3, 4, 9, 10].map((position) => order.countToPosition(position))).toEqual([0, 1, 3, 4]);
  });
});
