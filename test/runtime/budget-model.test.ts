/** The budgets of a tree as a model: whatever its jobs do in whatever order, not a cent is lost or spent twice (A1, A2). */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { JobBudget } from '../../src/runtime/job-budget.js';

const CURRENCIES = ['USD', 'launches'] as const;
type Currency = (typeof CURRENCIES)[number];

type Step =
  | { readonly act: 'delegate'; readonly who: number; readonly own: Partial<Record<Currency, number>> }
  | {
      readonly act: 'charge' | 'raise';
      readonly who: number;
      readonly currency: Currency;
      readonly by: number;
    }
  | { readonly act: 'end'; readonly who: number };

const who = fc.nat(11);
const by = fc.nat(9);
const currency = fc.constantFrom(...CURRENCIES);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    act: fc.constant('delegate' as const),
    who,
    own: fc.record({ USD: fc.nat(12), launches: fc.nat(6) }, { requiredKeys: [] }),
  }),
  fc.record({ act: fc.constantFrom('charge' as const, 'raise' as const), who, currency, by }),
  fc.record({ act: fc.constant('end' as const), who }),
);

interface Node {
  readonly budget: JobBudget;
  readonly parent: Node | undefined;
  live: boolean;
}

it('in any order of delegations, charges, raises and ends, parents before their children included', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const total: Record<Currency, bigint> = { USD: 20n, launches: 10n };
      const spent: Record<Currency, bigint> = { USD: 0n, launches: 0n };
      const root: Node = {
        budget: new JobBudget(new Map(Object.entries(total)), 'refuse-overspend'),
        parent: undefined,
        live: true,
      };
      const nodes = [root];
      for (const one of steps) {
        const node = nodes[one.who % nodes.length] ?? root;
        if (!node.live) continue;
        switch (one.act) {
          case 'delegate': {
            const own = new Map(Object.entries(one.own).map(([name, amount]) => [name, BigInt(amount)]));
            try {
              const budget = new JobBudget(own, 'refuse-overspend', node.budget);
              nodes.push({ budget, parent: node, live: true });
            } catch (error) {
              expect(error).toMatchObject({ code: 'BUDGET_EXHAUSTED' });
            }
            break;
          }
          case 'charge':
            try {
              node.budget.charge(one.currency, BigInt(one.by));
              spent[one.currency] += BigInt(one.by);
            } catch (error) {
              expect(error).toMatchObject({ code: 'BUDGET_EXHAUSTED' });
            }
            break;
          case 'raise':
            node.budget.raise(one.currency, BigInt(one.by));
            total[one.currency] += BigInt(one.by);
            break;
          case 'end':
            // The root is last: what came back to it is what this is about.
            if (node === root) continue;
            node.budget.settle();
            node.budget.settle();
            node.live = false;
        }
        for (const name of CURRENCIES) {
          expect(spent[name]).toBeLessThanOrEqual(total[name]);
          for (const { budget } of nodes) expect(budget.remainders().get(name)).toBeGreaterThanOrEqual(0n);
        }
      }
      for (const node of nodes) if (node !== root) node.budget.settle();
      for (const name of CURRENCIES)
        expect(root.budget.remainders().get(name)).toBe(total[name] - spent[name]);
    }),
    { numRuns: 1_000 },
  );
});

it('what a job held that has ended is not spent by a child that outlives it beyond that, and comes back with its end (A2)', () => {
  const root = new JobBudget(new Map([['USD', 10n]]), 'refuse-overspend');
  const parent = new JobBudget(new Map([['USD', 5n]]), 'refuse-overspend', root);
  const child = new JobBudget(new Map(), 'refuse-overspend', parent);
  parent.settle();
  expect(root.remainders().get('USD')).toBe(5n);
  expect(() => child.charge('USD', 6n)).toThrow('more than the');
  child.charge('USD', 2n);
  child.settle();
  expect(root.remainders().get('USD')).toBe(8n);
});

it('a child with a budget of its own holds back only that', () => {
  const root = new JobBudget(new Map([['USD', 10n]]), 'refuse-overspend');
  const parent = new JobBudget(new Map([['USD', 5n]]), 'refuse-overspend', root);
  const child = new JobBudget(new Map([['USD', 2n]]), 'refuse-overspend', parent);
  parent.settle();
  expect(root.remainders().get('USD')).toBe(8n);
  child.charge('USD', 1n);
  child.settle();
  expect(root.remainders().get('USD')).toBe(9n);
});
