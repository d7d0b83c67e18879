/** Law L4 over interleavings: however the acts of two children alternate, they never overspend what their parent has. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { formatAmount, parseAmount } from '../../src/protocol/index.js';
import { testRuntime } from '../../src/testing/index.js';

const CURRENCIES = ['USD', 'EUR'] as const;
type Currency = (typeof CURRENCIES)[number];
type Amounts = Readonly<Partial<Record<Currency, number>>>;

type Act =
  | { readonly act: 'charge'; readonly currency: Currency; readonly units: number; readonly awaited: boolean }
  | { readonly act: 'delegate'; readonly budget: Amounts; readonly units: number }
  | { readonly act: 'crash' };

interface Child {
  /** What it has of its own; the rest it draws on its parent's. */
  readonly budget: Amounts;
  readonly acts: readonly Act[];
  /** After so many turns of its parent it is cancelled. */
  readonly cancelAfter: number | undefined;
}

const amounts = (max: number) => fc.record({ USD: fc.nat(max), EUR: fc.nat(max) }, { requiredKeys: [] });
const currency = fc.constantFrom(...CURRENCIES);

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant('charge' as const),
      currency,
      units: fc.integer({ min: 1, max: 5 }),
      awaited: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ act: fc.constant('delegate' as const), budget: amounts(5), units: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('crash' as const) }) },
);

const child: fc.Arbitrary<Child> = fc.record({
  budget: amounts(8),
  acts: fc.array(act, { maxLength: 6 }),
  cancelAfter: fc.option(fc.nat(6), { nil: undefined }),
});

const listOf = (budget: Amounts): string[] =>
  Object.entries(budget).map(([name, units]) => `${name}:${units}`);

const one = parseAmount('1');

it('of charges, reservations, ends, failures and cancellations: what is spent and what is left add up', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.tuple(child, child),
      fc.record({ USD: fc.nat(12), EUR: fc.nat(12) }),
      async (scheduler, children, budget) => {
        const turn = scheduler.scheduleFunction(() => Promise.resolve());
        const spent: Record<Currency, number> = { USD: 0, EUR: 0 };
        const spentBy = new Map<string, number>();
        const overspent: string[] = [];
        const charge = (ctx: JobContext, name: Currency, units: number, own?: Amounts): Promise<void> =>
          ctx.charge('cost.test', String(units), name).then(
            () => {
              spent[name] += units;
              const id = `${ctx.jobId} ${name}`;
              const byIt = (spentBy.get(id) ?? 0) + units;
              spentBy.set(id, byIt);
              if (byIt > (own?.[name] ?? Infinity)) overspent.push(`${byIt} of its own ${name}`);
              if (spent[name] > budget[name]) overspent.push(`${spent[name]} of ${budget[name]} ${name}`);
            },
            () => undefined,
          );
        const leaf = defineAgent({
          name: 'leaf',
          version: '1.0.0',
          run: async (input, ctx) => {
            await turn();
            const { units, budget: own } = input as { units: number; budget: Amounts };
            await charge(ctx, 'USD', units, own);
          },
        });
        const acting = defineAgent({
          name: 'acting',
          version: '1.0.0',
          async run(input, ctx) {
            const open: Promise<unknown>[] = [];
            for (const step of (input as Child).acts) {
              await turn();
              if (step.act === 'crash') throw new Error('as it was planned');
              if (step.act === 'delegate') {
                const given = { arguments: step, budget: listOf(step.budget) };
                open.push(ctx.delegate('leaf', given).catch(() => undefined));
              } else {
                const charged = charge(ctx, step.currency, step.units, (input as Child).budget);
                if (step.awaited) await charged;
                else open.push(charged);
              }
            }
            await Promise.all(open);
          },
        });
        const parent = defineAgent({
          name: 'parent',
          version: '1.0.0',
          async run(_input, ctx) {
            const outcomes = children.map(async (given) => {
              await turn();
              const options = { arguments: given, budget: listOf(given.budget) };
              const started = await ctx.delegate('acting', options).catch(() => undefined);
              for (let left = given.cancelAfter ?? 0; left > 0; left -= 1) await turn();
              if (given.cancelAfter !== undefined) started?.cancel('as it was planned');
              await started?.outcome;
            });
            await Promise.all(outcomes);
            return ctx.lease.remaining();
          },
        });
        await using test = testRuntime({ agents: [parent, acting, leaf] });
        const client = await test.connect();
        const job = await client.invoke('parent', {}, { budget: listOf(budget) });
        const { value } = await scheduler.waitFor(job.result());
        expect(overspent).toEqual([]);
        for (const name of CURRENCIES) {
          const left = formatAmount(BigInt(budget[name] - spent[name]) * one);
          expect(value).toMatchObject({ [name]: left });
        }
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
