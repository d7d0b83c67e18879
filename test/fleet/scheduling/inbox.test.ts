/** The inbox: what waits is offered in its order, and costs no look where another of its kind could not be placed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../../../src/fleet/scheduling/inbox.js';

interface Item {
  readonly id: number;
  readonly rank: number;
  readonly kind: string;
  readonly due: number;
}

const items = fc
  .array(fc.record({ rank: fc.nat(5), kind: fc.constantFrom('a', 'b', 'c'), due: fc.nat(3) }), {
    maxLength: 40,
  })
  .map((all) => all.map((item, id): Item => ({ ...item, id })));

const compare = (a: Item, b: Item): number => a.rank - b.rank || a.id - b.id;

function inboxOf(all: readonly Item[]): Inbox<Item> {
  const inbox = new Inbox<Item>({ kindOf: ({ kind }) => kind, compare });
  for (const item of all) inbox.add(item, item.due, 0);
  return inbox;
}

function taken(inbox: Inbox<Item>, now: number, takes: (item: Item) => boolean): Item[] {
  const all: Item[] = [];
  inbox.offer(
    now,
    () => true,
    (item) => takes(item) && all.push(item) > 0,
  );
  return all;
}

describe('an inbox', () => {
  it('gives all that is due in its order, and the rest when its time has come (I1, I2)', () => {
    fc.assert(
      fc.property(items, (all) => {
        const inbox = inboxOf(all);
        for (let now = 0; now <= 3; now += 1) {
          const due = all.filter((item) => item.due === now).sort(compare);
          expect(inbox.nextDue ?? now).toBeGreaterThanOrEqual(now);
          expect(taken(inbox, now, () => true)).toEqual(due);
        }
        expect(inbox.size).toBe(0);
      }),
    );
  });

  it('holds back a kind whose first is not taken, and no other (I1)', () => {
    fc.assert(
      fc.property(items, fc.constantFrom('a', 'b', 'c'), (all, held) => {
        const inbox = inboxOf(all);
        let looks = 0;
        const got = taken(inbox, 3, ({ kind }) => {
          if (kind === held) looks += 1;
          return kind !== held;
        });
        expect(got).toEqual(all.filter(({ kind }) => kind !== held).sort(compare));
        expect(looks).toBeLessThanOrEqual(1);
        expect(inbox.drain()).toEqual(all.filter(({ kind }) => kind === held).sort(compare));
      }),
    );
  });

  it('has no longer what was removed, due or not', () => {
    fc.assert(
      fc.property(items, (all) => {
        const inbox = inboxOf(all);
        const [gone, kept] = [all.filter(({ id }) => id % 2 === 0), all.filter(({ id }) => id % 2 === 1)];
        for (const item of gone) expect(inbox.remove(item)).toBe(true);
        for (const item of gone) expect(inbox.remove(item)).toBe(false);
        expect(inbox.size).toBe(kept.length);
        expect(taken(inbox, 3, () => true)).toEqual([...kept].sort(compare));
      }),
    );
  });
});
