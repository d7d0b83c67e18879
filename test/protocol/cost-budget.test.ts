import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  amountFromNumber,
  BudgetCounters,
  formatAmount,
  formatBudget,
  MAX_BUDGET_CURRENCIES,
  parseAmount,
  parseBudget,
  type BudgetOutcome,
  type BudgetPolicy,
} from '../../src/protocol/cost-budget.js';
import { ArcpError } from '../../src/protocol/errors.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { oneOf } from './characters.js';
import { errorOf } from './error-of.js';

type Operation =
  | { readonly charge: string; readonly currency: string }
  | { readonly reserve: readonly string[] }
  | { readonly release: readonly string[] };

type Outcome = { readonly remaining?: string } | { readonly error: string };

interface Case {
  readonly input:
    | { readonly number: number }
    | {
        readonly cost_budget: readonly string[];
        readonly policy?: BudgetPolicy;
        readonly operations?: readonly Operation[];
      };
  readonly expect:
    | { readonly error: string }
    | { readonly amount: string }
    | { readonly outcomes: readonly Outcome[]; readonly remaining: readonly string[] };
}

/** A charge as a fixture writes it: negative ones cannot be parsed, but can be computed. */
function chargeAmount(text: string): bigint {
  return text.startsWith('-') ? -parseAmount(text.slice(1)) : parseAmount(text);
}

function show(outcome: BudgetOutcome): Outcome {
  if (!outcome.ok) return { error: outcome.error.code };
  return outcome.remaining === undefined ? {} : { remaining: formatAmount(outcome.remaining) };
}

function perform(counters: BudgetCounters, operation: Operation): Outcome {
  if ('charge' in operation) {
    return show(counters.charge(operation.currency, chargeAmount(operation.charge)));
  }
  if ('reserve' in operation) return show(counters.reserve(parseBudget(operation.reserve)));
  try {
    counters.release(parseBudget(operation.release));
    return {};
  } catch (error) {
    if (!(error instanceof ArcpError)) throw error;
    return { error: error.code };
  }
}

describe('cost budgets (decision 15)', () => {
  it.each(fixtureCases<Case>('budgets.json'))('$id: $shows', ({ input, expect: expected }) => {
    if ('number' in input) {
      if ('amount' in expected) expect(amountFromNumber(input.number)).toBe(expected.amount);
      else expect(errorOf(ArcpError, () => amountFromNumber(input.number)).code).toBe('INVALID_ARGUMENT');
    } else if ('outcomes' in expected) {
      const counters = new BudgetCounters(parseBudget(input.cost_budget), { policy: input.policy });
      const outcomes = (input.operations ?? []).map((operation) => perform(counters, operation));
      expect(outcomes).toEqual(expected.outcomes);
      expect(formatBudget(counters.remainders())).toEqual(expected.remaining);
    } else {
      expect(expected).toEqual({ error: 'INVALID_ARGUMENT' });
      expect(errorOf(ArcpError, () => parseBudget(input.cost_budget)).code).toBe('INVALID_ARGUMENT');
    }
  });

  it('a budget has so many currencies at most (L7)', () => {
    const list = (count: number) => Array.from({ length: count }, (_, i) => `C${i}:1`);
    expect(parseBudget(list(MAX_BUDGET_CURRENCIES)).size).toBe(MAX_BUDGET_CURRENCIES);
    expect(() => parseBudget(list(MAX_BUDGET_CURRENCIES + 1))).toThrow('at most');
  });

  it('exhaustion says what was asked for and what is left, and is not to be retried', () => {
    const outcome = new BudgetCounters(parseBudget(['USD:0.5'])).charge('USD', parseAmount('0.75'));
    if (outcome.ok) throw new Error('the charge was taken');
    expect(outcome.error).toMatchObject({
      code: 'BUDGET_EXHAUSTED',
      retryable: false,
      message: '0.75 USD is more than the 0.5 that the budget has left',
      details: { currency: 'USD', remaining: '0.5', requested: '0.75' },
    });
  });

  it('what a child does not budget is charged to its parent (decision 26)', () => {
    const parent = new BudgetCounters(parseBudget(['USD:5', 'EUR:5']));
    expect(parent.reserve(parseBudget(['EUR:2'])).ok).toBe(true);
    const child = new BudgetCounters(parseBudget(['EUR:2']), { parent });
    expect(show(child.charge('USD', parseAmount('4')))).toEqual({ remaining: '1' });
    expect(show(child.charge('EUR', parseAmount('3')))).toEqual({ error: 'BUDGET_EXHAUSTED' });
    expect(show(child.charge('USD', parseAmount('2')))).toEqual({ error: 'BUDGET_EXHAUSTED' });
    expect(show(child.charge('GBP', parseAmount('9')))).toEqual({});
    expect(formatBudget(child.remainders())).toEqual(['USD:1', 'EUR:2']);
    expect(formatBudget(parent.remainders())).toEqual(['USD:1', 'EUR:3']);
    expect(child.reserve(parseBudget(['USD:1', 'EUR:1'])).ok).toBe(true);
    expect(formatBudget(parent.remainders())).toEqual(['USD:0', 'EUR:3']);
    child.release(parseBudget(['USD:1']));
    expect(formatBudget(parent.remainders())).toEqual(['USD:1', 'EUR:3']);
  });

  it('under allow-overshoot, a currency that is used up at the parent stops the child too', () => {
    const policy = 'allow-overshoot';
    const parent = new BudgetCounters(parseBudget(['USD:1']), { policy });
    const child = new BudgetCounters(parseBudget(['EUR:2']), { policy, parent });
    expect(child.exhausted()).toBeUndefined();
    expect(show(child.charge('USD', parseAmount('1.5')))).toEqual({ remaining: '-0.5' });
    expect(child.exhausted()).toBe('USD');
    expect(show(child.charge('EUR', parseAmount('1')))).toEqual({ error: 'BUDGET_EXHAUSTED' });
  });

  it('parsing a budget fails with nothing but INVALID_ARGUMENT on arbitrary text', () => {
    const entry = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: oneOf('USD:05.-+e ') }));
    fc.assert(
      fc.property(fc.array(entry), (list) => {
        try {
          const budget = parseBudget(list);
          expect(parseBudget(formatBudget(budget))).toEqual(budget);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
          expect((error as ArcpError).message.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

const units = fc.bigInt({ min: 0n, max: 50n });
const currency = fc.constantFrom<string>('USD', 'EUR', 'GBP');
const amounts = fc
  .uniqueArray(fc.tuple(currency, units), { selector: ([name]) => name })
  .map((all) => new Map(all));
const policy = fc.constantFrom<BudgetPolicy>('refuse-overspend', 'allow-overshoot');

describe('laws of budgets', () => {
  it('any split of an amount into charges, in any order, exhausts it exactly', () => {
    fc.assert(
      fc.property(
        fc
          .array(fc.bigInt({ min: 1n, max: 10n ** 36n }), { minLength: 1, maxLength: 20 })
          .chain((parts) =>
            fc.tuple(fc.constant(parts), fc.shuffledSubarray(parts, { minLength: parts.length })),
          ),
        ([parts, order]) => {
          const total = parts.reduce((a, b) => a + b, 0n);
          const counters = new BudgetCounters(new Map([['USD', total]]));
          for (const part of order) expect(counters.charge('USD', part).ok).toBe(true);
          expect(counters.remaining('USD')).toBe(0n);
          expect(counters.charge('USD', 1n).ok).toBe(false);
          expect(counters.charge('USD', 0n)).toEqual({ ok: true, remaining: 0n });
        },
      ),
    );
  });

  it('no sequence of charges and reservations takes a counter below zero, and what fails changes nothing', () => {
    const operation = fc.oneof(
      fc.record({
        kind: fc.constant('charge' as const),
        currency,
        amount: fc.bigInt({ min: -5n, max: 50n }),
      }),
      fc.record({ kind: fc.constant('reserve' as const), amounts }),
    );
    fc.assert(
      fc.property(amounts, fc.array(operation, { maxLength: 30 }), (budget, operations) => {
        const counters = new BudgetCounters(budget);
        for (const operation of operations) {
          const before = counters.remainders();
          const outcome =
            operation.kind === 'charge'
              ? counters.charge(operation.currency, operation.amount)
              : counters.reserve(operation.amounts);
          const after = counters.remainders();
          for (const [currency, remaining] of after) {
            expect(remaining >= 0n).toBe(true);
            expect(remaining <= (before.get(currency) ?? -1n)).toBe(true);
          }
          if (!outcome.ok) expect(after).toEqual(before);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('under allow-overshoot one charge may cross zero, and nothing at all is taken after it', () => {
    fc.assert(
      fc.property(amounts, fc.array(fc.tuple(currency, units), { maxLength: 30 }), (budget, charges) => {
        const counters = new BudgetCounters(budget, { policy: 'allow-overshoot' });
        for (const [currency, amount] of charges) {
          const before = counters.remainders();
          const isUsedUp = [...before.values()].some((remaining) => remaining <= 0n);
          const outcome = counters.charge(currency, amount);
          expect(outcome.ok).toBe(!isUsedUp);
          const expected = new Map(before);
          const remaining = before.get(currency);
          if (outcome.ok && remaining !== undefined) expected.set(currency, remaining - amount);
          expect(counters.remainders()).toEqual(expected);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('charges, reservations and releases conserve: remainder, spent and still reserved are the budget (L4)', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('charge' as const), currency, amount: units }),
      fc.record({ kind: fc.constantFrom('reserve' as const, 'release' as const), amounts }),
    );
    fc.assert(
      fc.property(amounts, policy, fc.array(operation, { maxLength: 40 }), (budget, policy, operations) => {
        const counters = new BudgetCounters(budget, { policy });
        const spent = new Map<string, bigint>();
        const reserved = new Map<string, bigint>();
        const add = (to: Map<string, bigint>, amounts: Iterable<readonly [string, bigint]>, sign = 1n) => {
          for (const [currency, amount] of amounts) {
            if (budget.has(currency)) to.set(currency, (to.get(currency) ?? 0n) + sign * amount);
          }
        };
        for (const operation of operations) {
          if (operation.kind === 'charge') {
            const { currency, amount } = operation;
            if (counters.charge(currency, amount).ok) add(spent, [[currency, amount]]);
          } else if (operation.kind === 'reserve') {
            if (counters.reserve(operation.amounts).ok) add(reserved, operation.amounts);
          } else {
            const fits = [...operation.amounts].every(
              ([currency, amount]) => !budget.has(currency) || amount <= (reserved.get(currency) ?? 0n),
            );
            const release = () => {
              counters.release(operation.amounts);
            };
            if (fits) {
              release();
              add(reserved, operation.amounts, -1n);
            } else {
              expect(errorOf(ArcpError, release).code).toBe('FAILED_PRECONDITION');
            }
          }
          for (const [currency, limit] of budget) {
            const used = (spent.get(currency) ?? 0n) + (reserved.get(currency) ?? 0n);
            expect((counters.remaining(currency) ?? -1n) + used).toBe(limit);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
