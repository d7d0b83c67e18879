/** The spending that `arcp invoke` shows, against what the account of a real tree of jobs says. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PlainReporter } from '../../src/cli/reporter.js';
import { defineAgent, defineTool, type JobContext } from '../../src/index.js';
import { formatAmount, parseAmount } from '../../src/protocol/index.js';
import { testRuntime } from '../../src/testing/index.js';

const BUDGET = { USD: '50', EUR: '50', tokens: '100000', tool_calls: '40', launches: '40' } as const;
const AGENTS = ['writer', 'reader', 'critic'] as const;

interface Work {
  readonly charges: readonly { readonly name: string; readonly amount: string; readonly currency: string }[];
  readonly calls: number;
  readonly children: readonly {
    readonly agent: (typeof AGENTS)[number];
    readonly budget: readonly string[];
    readonly work: Work;
  }[];
  readonly fails: boolean;
}

const work: fc.Memo<Work> = fc.memo<Work>((depth) =>
  fc.record({
    charges: fc.array(
      fc.record({
        // Not every agent calls its charges after costs.
        name: fc.constantFrom('cost.search', 'search', 'cost.model'),
        amount: fc.constantFrom('0.1', '0.000000000000000001', '7', '0.30', '0'),
        currency: fc.constantFrom('USD', 'EUR', 'tokens'),
      }),
      { maxLength: 4 },
    ),
    calls: fc.nat(3),
    children:
      depth <= 1
        ? fc.constant([])
        : fc.array(
            fc.record({
              agent: fc.constantFrom(...AGENTS),
              budget: fc.subarray(['USD:3', 'EUR:2.50', 'tokens:20', 'tool_calls:2', 'launches:1']),
              work: work(depth - 1),
            }),
            { maxLength: 3 },
          ),
    fails: fc.boolean(),
  }),
);

/** Does what it can of it; what is refused costs nothing. */
async function run(ctx: JobContext, { charges, calls, children, fails }: Work): Promise<unknown> {
  const refused = (): undefined => undefined;
  const started = await Promise.all(
    children.map(({ agent, budget, work: below }) =>
      ctx.delegate(agent, { arguments: below, budget }).catch(refused),
    ),
  );
  for (const { name, amount, currency } of charges) await ctx.charge(name, amount, currency).catch(refused);
  for (let call = 0; call < calls; call += 1) await ctx.tools.call('look').catch(refused);
  for (const child of started) await child?.outcome;
  if (ctx.parentJobId === undefined) return ctx.lease.remaining();
  if (fails) throw new Error('as it was planned');
  return undefined;
}

/** `agent → currency → amount` of the lines that begin with `spent`. */
function table(text: string): Map<string, Map<string, bigint>> {
  const rows = [...text.matchAll(/^spent {2}(\S+) +(.*)$/gm)];
  return new Map(
    rows.map(([, agent = '', amounts = '']) => [
      agent,
      new Map(
        amounts.split(', ').map((one) => {
          const [amount = '', currency = ''] = one.split(' ');
          return [currency, parseAmount(amount)];
        }),
      ),
    ]),
  );
}

it('adds up, by agent, to what the account of the root has spent, in every currency and to the last digit', async () => {
  const agents = AGENTS.map((name) =>
    defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input as Work) }),
  );
  const tools = [defineTool({ name: 'look', run: () => null })];
  await fc.assert(
    fc.asyncProperty(work(3), async (shape) => {
      await using test = testRuntime({ agents, tools });
      const client = await test.connect();
      const budget = Object.entries(BUDGET).map(([currency, amount]) => `${currency}:${amount}`);
      const job = await client.invoke('writer', shape, { budget });
      const written: string[] = [];
      const reporter = new PlainReporter(job.id, { write: (text) => written.push(text) });
      for await (const event of job.tree()) reporter.event(event);
      reporter.end();
      const { value } = await job.result();
      const rows = table(written.join(''));
      const together = rows.get('together') ?? [...rows.values()][0] ?? new Map<string, bigint>();
      rows.delete('together');
      for (const [currency, amount] of Object.entries(BUDGET)) {
        const left = (value as Readonly<Record<string, string>>)[currency] ?? '';
        const spent = formatAmount(parseAmount(amount) - parseAmount(left));
        const byAgent = [...rows.values()].reduce((sum, row) => sum + (row.get(currency) ?? 0n), 0n);
        expect([currency, formatAmount(byAgent)]).toEqual([currency, spent]);
        expect([currency, formatAmount(together.get(currency) ?? 0n)]).toEqual([currency, spent]);
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);
