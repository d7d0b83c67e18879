// Trees of jobs that spend as they grow. Each attempt is written down as it begins, so that trees.test.ts can count them.
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineAgent } from 'arcp-runtime';

const { TREE_FILE: begun = '' } = process.env;
const WIDTH = 3;

/**
 * The first child of each is found again by its key, the second too and lives on by itself, the third is begun anew. They
 * have budgets of two currencies, of one, and none.
 *
 * @param {number} index
 * @param {number} depth
 */
function delegation(index, depth) {
  const [usd, tokens] = depth > 0 ? ['USD:4.00', 'tokens:40'] : ['USD:0.40', 'tokens:4'];
  return {
    ...(index < 2 ? { key: String(index), again: false } : {}),
    ...(index === 1 ? { onParentEnd: /** @type {const} */ ('detach') } : {}),
    ...(index === 2 ? {} : { budget: index === 0 ? [usd, tokens] : [usd] }),
  };
}

/** @param {import('arcp-runtime').JobContext} ctx */
async function spend(ctx) {
  for (let times = 0; times < 3; times += 1) {
    const cents = 1 + Math.floor(Math.random() * 9);
    // What is refused is not spent.
    await ctx.charge('cost.step', `0.0${cents}`, 'USD').catch(() => undefined);
    await ctx.charge('cost.step', '1', 'tokens').catch(() => undefined);
    await sleep(Math.random() * 30, undefined, { signal: ctx.signal });
  }
}

/**
 * @param {string} name
 * @param {'fail' | 'restart'} recovery
 */
const node = (name, recovery) =>
  defineAgent({
    name,
    version: '1.0.0',
    recovery,
    run: async (input, ctx) => {
      const { depth, index, gate } = /** @type {{ depth: number, index?: number, gate?: string }} */ (input);
      const { jobId: job, parentJobId: parent, attempt } = ctx;
      appendFileSync(begun, `${JSON.stringify({ job, parent, attempt, name, index })}\n`);
      await spend(ctx);
      const children = await Promise.all(
        Array.from({ length: depth > 0 ? WIDTH : 0 }, (_, place) =>
          ctx
            .delegate(depth > 1 ? 'branch' : 'leaf', {
              arguments: { depth: depth - 1, index: place },
              ...delegation(place, depth - 1),
            })
            .catch(() => undefined),
        ),
      );
      await spend(ctx);
      // A root without a gate is in a hurry: what it does not wait for is cancelled, or lives on.
      if (name !== 'root' || gate !== undefined) for (const place of [0, 2]) await children[place]?.outcome;
      if (gate === undefined) return 'grown';
      ctx.progress({ message: String(attempt) });
      // Until all below it has ended, and what that held has come back. An attempt after this one has a gate of its own.
      while (!existsSync(`${gate}-${attempt}`)) await sleep(10, undefined, { signal: ctx.signal });
      return ctx.lease.remaining();
    },
  });

export default [node('root', 'restart'), node('branch', 'restart'), node('leaf', 'fail')];
