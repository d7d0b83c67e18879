/** Law L4 as a property: no tree of jobs spends more than the budget of its root. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent, formatAmount, parseAmount, type JobContext } from '../../src/index.js';
import { testRuntime } from '../../src/testing/index.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

interface Tree {
  /** Cents that it asks a person for before it charges. */
  readonly raise: number;
  readonly charges: readonly number[];
  readonly children: readonly { readonly budget: number | undefined; readonly tree: Tree }[];
}

const tree: fc.Memo<Tree> = fc.memo<Tree>((depth) =>
  fc.record({
    raise: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300 })),
    charges: fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 4 }),
    children:
      depth <= 1
        ? fc.constant([])
        : fc.array(
            fc.record({
              budget: fc.option(fc.integer({ min: 0, max: 500 }), { nil: undefined }),
              tree: tree(depth - 1),
            }),
            { maxLength: 3 },
          ),
  }),
);

const cents = (amount: number): string => formatAmount((BigInt(amount) * parseAmount('1')) / 100n);

describe('any tree of jobs', () => {
  it.each([
    ['the budget of its root', false],
    ['the budget of its root and what people added to it anywhere', true],
  ])(
    'spends no more than %s, and what was spent and what is left add up to that (L4)',
    async (_what, asksPeople) => {
      await fc.assert(
        fc.asyncProperty(tree(4), fc.integer({ min: 0, max: 1_000 }), async (shape, budget) => {
          let spent = 0n;
          let available = parseAmount(cents(budget));
          let overspent = false;
          const node = agentNamed('node', async (ctx, input) => {
            const { raise, charges, children } = input as Tree;
            const outcomes = await Promise.all(
              children.map(async (child) => {
                const options = child.budget === undefined ? {} : { budget: [`USD:${cents(child.budget)}`] };
                const started = await ctx
                  .delegate('node', { arguments: child.tree, ...options })
                  .catch(() => undefined);
                return started?.outcome;
              }),
            );
            if (asksPeople && raise > 0) {
              // Counted when it is asked for: nobody says no, and nothing is spent of it before.
              available += parseAmount(cents(raise));
              await ctx.requestBudget('USD', cents(raise));
            }
            for (const charge of charges) {
              const amount = cents(charge);
              await ctx.charge('cost.test', amount, 'USD').then(
                () => {
                  spent += parseAmount(amount);
                  overspent ||= spent > available;
                },
                () => undefined,
              );
            }
            return { left: await ctx.lease.remaining(), children: outcomes.length };
          });
          await using test = testRuntime({ agents: [node] });
          const client = await test.connect();
          client.on('question', (question) => void question.grant());
          const job = await client.invoke('node', shape, { budget: [`USD:${cents(budget)}`] });
          const { value } = await job.result();
          expect(overspent).toBe(false);
          expect(value).toMatchObject({ left: { USD: formatAmount(available - spent) } });
        }),
        { numRuns: 100 },
      );
    },
    60_000,
  );
});
