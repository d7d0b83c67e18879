/** Law L4 as a property: no tree of jobs spends more than the budget of its root. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent, formatAmount, parseAmount, type JobContext } from '../../src/index.js';
import { bench } from './bench.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

interface Tree {
  readonly charges: readonly number[];
  readonly children: readonly { readonly budget: number | undefined; readonly tree: Tree }[];
}

const tree: fc.Memo<Tree> = fc.memo<Tree>((depth) =>
  fc.record({
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
  it('spends no more than the budget of its root, and what was spent and what is left add up to it (L4)', async () => {
    await fc.assert(
      fc.asyncProperty(tree(4), fc.integer({ min: 0, max: 1_000 }), async (shape, budget) => {
        let spent = 0n;
        let overspent = false;
        const node = agentNamed('node', async (ctx, input) => {
          const { charges, children } = input as Tree;
          const outcomes = await Promise.all(
            children.map(async (child) => {
              const options = child.budget === undefined ? {} : { budget: [`USD:${cents(child.budget)}`] };
              const started = await ctx
                .delegate('node', { arguments: child.tree, ...options })
                .catch(() => undefined);
              return started?.outcome;
            }),
          );
          for (const charge of charges) {
            const amount = cents(charge);
            await ctx.charge('cost.test', amount, 'USD').then(
              () => {
                spent += parseAmount(amount);
                overspent ||= spent > parseAmount(cents(budget));
              },
              () => undefined,
            );
          }
          return { left: await ctx.lease.remaining(), children: outcomes.length };
        });
        await using test = bench({ agents: [node] });
        const client = await test.open();
        const payload = { cost_budget: [`USD:${cents(budget)}`] };
        const terminal = await client.terminal(await client.accepted('node', shape, { payload }));
        expect(overspent).toBe(false);
        expect(terminal).toMatchObject({
          type: 'job.completed',
          payload: { value: { left: { USD: formatAmount(parseAmount(cents(budget)) - spent) } } },
        });
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
