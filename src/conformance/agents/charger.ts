/** The agent that spends. */
import { z } from 'zod';
import { defineAgent } from '../../agents/define-agent.js';
import { amountFromNumber, formatAmount, parseAmount } from '../../protocol/decimal.js';

/** An amount as text, or as the JSON number that many clients send.  */
export const amount = z.union([z.string(), z.number()]).transform((value, ctx) => {
  try {
    return parseAmount(typeof value === 'number' ? amountFromNumber(value) : value);
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

export const charger = defineAgent({
  name: 'charger',
  version: '1.0.0',
  description:
    'Charges {perCallUSD=0.01} USD as cost.search, {iterations=1} times, and returns {iterations, spentUSD}.',
  input: z.object({
    iterations: z.int().min(0).max(10_000).default(1),
    perCallUSD: amount.default(parseAmount('0.01')),
  }),
  run: async ({ iterations, perCallUSD }, ctx) => {
    for (let call = 0; call < iterations; call++) {
      ctx.signal.throwIfAborted();
      await ctx.charge('cost.search', formatAmount(perCallUSD), 'USD');
    }
    return { iterations, spentUSD: formatAmount(perCallUSD * BigInt(iterations)) };
  },
});
