/** Law L4 over lives: what a tree of jobs spends in all of them stays within the budget of its root (V4, T1 to T4, G1). */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent, parseAmount, type JobContext } from '../../src/index.js';
import { DATA, lives } from './lives.js';

const CURRENCIES = ['USD', 'tokens'] as const;
type Currency = (typeof CURRENCIES)[number];

interface Tree {
  readonly charges: readonly { readonly currency: Currency; readonly units: number }[];
  readonly children: readonly {
    readonly budget: Readonly<Partial<Record<Currency, number>>>;
    readonly cancel: boolean;
    /** Whether it is found again by an attempt of its parent that comes later. */
    readonly keyed: boolean;
    readonly detach: boolean;
    readonly tree: Tree;
  }[];
  readonly fails: boolean;
}

const tree: fc.Memo<Tree> = fc.memo<Tree>((depth) =>
  fc.record({
    charges: fc.array(
      fc.record({ currency: fc.constantFrom(...CURRENCIES), units: fc.integer({ min: 1, max: 4 }) }),
      { maxLength: 4 },
    ),
    children:
      depth <= 1
        ? fc.constant([])
        : fc.array(
            fc.record({
              budget: fc.record({ USD: fc.nat(5), tokens: fc.nat(5) }, { requiredKeys: [] }),
              cancel: fc.boolean(),
              keyed: fc.boolean(),
              detach: fc.boolean(),
              tree: tree(depth - 1),
            }),
            { maxLength: 3 },
          ),
    fails: fc.boolean(),
  }),
);

/** Its middle job ends first and is forgotten first, while what the last one has spent still counts (T4). */
const OUTLIVED: Tree = {
  charges: [],
  fails: false,
  children: [
    {
      ...{ budget: {}, cancel: false, keyed: false, detach: false },
      tree: {
        charges: [],
        fails: false,
        children: [
          {
            ...{ budget: {}, cancel: false, keyed: false, detach: true },
            tree: { charges: [{ currency: 'USD', units: 1 }], children: [], fails: false },
          },
        ],
      },
    },
  ],
};

const listOf = (budget: Readonly<Partial<Record<Currency, number>>>): string[] =>
  Object.entries(budget).map(([currency, units]) => `${currency}:${units}`);

/** One life of the process: after so many acts nothing moves any more. */
class Life {
  readonly spent: { readonly currency: Currency; readonly amount: bigint }[] = [];
  readonly crashed: Promise<undefined>;
  /** What the root has left in the end. */
  readonly finished: Promise<Readonly<Record<string, string>>>;
  finish: (left: Readonly<Record<string, string>>) => void = () => undefined;
  /** What is charged after the root has looked is not compared with what it saw. */
  isFinished = false;
  #left: number;
  #running = 0;
  #quiet: (() => void) | undefined;
  #crash: () => void = () => undefined;

  constructor(acts: number) {
    this.#left = acts;
    this.crashed = new Promise((resolve) => {
      this.#crash = () => {
        resolve(undefined);
      };
    });
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  async act(): Promise<void> {
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#crash();
    await new Promise(() => undefined);
  }

  /** Calls the agent of a job below the root. */
  async below(work: () => Promise<void>): Promise<void> {
    this.#running += 1;
    try {
      await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#quiet?.();
    }
  }

  /** Resolves when nothing below the root runs. */
  async quiet(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#quiet = resolve));
  }

  get isDead(): boolean {
    return this.#left <= 0;
  }
}

/** Runs a tree, and counts what was charged and told to the agent as long as it lives. */
async function grow(life: Life, ctx: JobContext, { charges, children, fails }: Tree): Promise<void> {
  const started = await Promise.all(
    children.map(async (child, index) => {
      await life.act();
      const given = await ctx
        .delegate('node', {
          arguments: child.tree,
          budget: listOf(child.budget),
          ...(child.keyed ? { key: String(index) } : {}),
          onParentEnd: child.detach ? 'detach' : 'cancel',
        })
        .catch(() => undefined);
      if (child.cancel) given?.cancel('as it was planned');
      return { outcome: given?.outcome };
    }),
  );
  for (const { currency, units } of charges) {
    await life.act();
    const amount = parseAmount(String(units));
    await ctx.charge('cost.test', String(units), currency).then(
      () => {
        if (!life.isDead && !life.isFinished) life.spent.push({ currency, amount });
      },
      () => undefined,
    );
  }
  if (ctx.parentJobId === undefined) {
    for (const { outcome } of started) await outcome;
    await life.quiet();
    // What ended last has given back what it held.
    await ctx.flushed();
    const left = await ctx.lease.remaining();
    life.isFinished = true;
    life.finish(left);
    return;
  }
  for (const [index, { outcome }] of started.entries()) if (children[index]?.detach !== true) await outcome;
  if (fails) throw new Error('as it was planned');
}

describe.each(DATA)('on %s, a tree of jobs that crashes again and again', (name, data) => {
  it.each([
    ['whose logs are all kept', 1_000],
    ['of which logs are forgotten on the way', 1],
  ])(
    '%s spends no more than its budget in all its lives, and has left what it did not spend (L4)',
    async (_what, maxFinishedJobs) => {
      await fc.assert(
        fc.asyncProperty(
          tree(3),
          fc.record({ USD: fc.integer({ min: 1, max: 20 }), tokens: fc.integer({ min: 1, max: 20 }) }),
          fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
          async (shape, budget, crashes) => {
            const common = { limits: { maxFinishedJobs, maxAttempts: 10, restartBackoffMs: 1 } };
            const all = lives(data(), common);
            try {
              const past: Life[] = [];
              for (const acts of [...crashes, Infinity]) {
                const life = new Life(acts);
                past.push(life);
                const node = defineAgent({
                  name: 'node',
                  version: '1.0.0',
                  recovery: 'restart',
                  run: (input, ctx) => {
                    const work = (): Promise<void> => grow(life, ctx, input as Tree);
                    return ctx.parentJobId === undefined ? work() : life.below(work);
                  },
                });
                const bench = await all.next({ agents: [node] });
                if (past.length === 1) {
                  const client = await bench.open();
                  await client.accepted('node', shape, { payload: { cost_budget: listOf(budget) } });
                } else {
                  await bench.clock.advance(2_000);
                }
                const told = await Promise.race([life.finished, life.crashed]);
                if (told === undefined) {
                  // What the store has by now is what the next life finds.
                  await bench.clock.settle();
                  continue;
                }
                for (const currency of CURRENCIES) {
                  const left = parseAmount(told[currency] ?? '');
                  const available = parseAmount(String(budget[currency]));
                  let spent = 0n;
                  for (const one of past.flatMap(({ spent: list }) => list))
                    if (one.currency === currency) spent += one.amount;
                  // A charge that was committed, and whose agent died before it heard of that, counts too.
                  expect(spent + left).toBeLessThanOrEqual(available);
                  expect(left).toBeGreaterThanOrEqual(0n);
                  if (past.length === 1) expect(spent + left).toBe(available);
                }
                expect(bench.store.durable).toBe(true);
                expect(bench.runtime.ready).toBe(true);
                return;
              }
            } finally {
              await all.end();
            }
          },
        ),
        { numRuns: name === 'memory' ? 40 : 10, examples: [[OUTLIVED, { USD: 1, tokens: 1 }, [1, 3, 2]]] },
      );
    },
    40_000,
  );
});
