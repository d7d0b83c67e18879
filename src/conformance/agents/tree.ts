/** The agent that delegates to itself. */
import { z } from 'zod';
import { defineAgent } from '../../agents/define-agent.js';
import { formatAmount, parseAmount } from '../../protocol/decimal.js';
import { ArcpError, isErrorCode } from '../../protocol/errors.js';
import { amount } from './charger.js';

interface Branch {
  readonly jobs: number;
  readonly spentUSD: string;
  readonly levels: readonly { readonly jobs: number; readonly spentUSD: string }[];
}

export const tree = defineAgent({
  name: 'tree',
  version: '1.0.0',
  description:
    'Has {width=2} jobs of its own kind, one level less deep than {depth=1}, spend their shares of {budget=1} USD, spends the rest, and returns {jobs, spentUSD, levels}.',
  input: z.object({
    depth: z.int().min(0).max(4).default(1),
    width: z.int().min(1).max(4).default(2),
    budget: amount.default(parseAmount('1')),
  }),
  run: async ({ depth, width, budget }, ctx): Promise<Branch> => {
    const children = depth === 0 ? 0 : width;
    const share = budget / BigInt(children + 1);
    const text = formatAmount(share);
    const item = {
      target: ctx.agent,
      task: `Spend ${text} USD`,
      arguments: { depth: depth - 1, width, budget: text },
      budget: [`USD:${text}`],
    };
    const outcomes = await ctx.delegateAll(Array.from({ length: children }, () => item));
    const branches = outcomes.map((outcome) => {
      if (outcome.status === 'completed') return outcome.value as Branch;
      const [code, message] =
        outcome.status === 'failed'
          ? [outcome.code, outcome.message]
          : ['CANCELLED', outcome.reason ?? 'a child was cancelled'];
      throw new ArcpError(isErrorCode(code) ? code : 'UNKNOWN', message, { retryable: false });
    });
    const own = budget - share * BigInt(children);
    await ctx.charge('cost.tree', formatAmount(own), 'USD');
    const levels = [{ jobs: 1, spentUSD: formatAmount(own) }, ...sumOfLevels(branches)];
    return {
      jobs: levels.reduce((sum, { jobs }) => sum + jobs, 0),
      spentUSD: sumOf(levels.map(({ spentUSD }) => spentUSD)),
      levels,
    };
  },
});

function sumOfLevels(branches: readonly Branch[]): Branch['levels'][number][] {
  const depth = branches[0]?.levels.length ?? 0;
  return Array.from({ length: depth }, (_, level) => {
    const parts = branches.flatMap(({ levels }) => levels[level] ?? []);
    return {
      jobs: parts.reduce((sum, { jobs }) => sum + jobs, 0),
      spentUSD: sumOf(parts.map(({ spentUSD }) => spentUSD)),
    };
  });
}

function sumOf(amounts: readonly string[]): string {
  return formatAmount(amounts.reduce((sum, one) => sum + parseAmount(one), 0n));
}
