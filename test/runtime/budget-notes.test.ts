/** What a forgotten job had spent is noted before its log goes, also where the store loses the note (T2, F5). */
import { expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { TREE_SPENT } from '../../src/runtime/tree-account.js';
import { wrapStore } from '../store/wrapped-store.js';
import { DATA, lives } from './lives.js';

it.each(
  DATA.flatMap(([name, data]) =>
    [
      { waits: 0, pushed: 'the payer', when: 'at once' },
      { waits: 30_000, pushed: 'the payer', when: 'after a while' },
      { waits: 30_000, pushed: 'its heir too', when: 'after a while' },
    ].map((how) => ({ name, data, ...how })),
  ),
)(
  'on $name, a note that the store loses is made again: no crash, $when, gives money back that was spent, where $pushed is forgotten (L4)',
  async ({ data, waits, pushed }) => {
    const left: unknown[] = [];
    const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
      defineAgent({ name, version: '1.0.0', recovery: 'restart', run: (input, ctx) => run(ctx, input) });
    const payer = agentNamed('payer', (ctx) => ctx.charge('cost.test', '3', 'USD'));
    const middle = agentNamed('middle', async (ctx) => {
      await (
        await ctx.delegate('payer')
      ).outcome;
      return untilAborted(ctx.signal);
    });
    const root = agentNamed('root', async (ctx) => {
      left.push(await ctx.lease.remaining());
      if (ctx.attempt === 1) await ctx.delegate('middle');
      return untilAborted(ctx.signal);
    });
    const idle = agentNamed('idle', () => 'idle');
    let losses = 0;
    const inner = data();
    const faulty: typeof inner = {
      open: () => {
        const store = inner.open();
        return wrapStore(store, {
          append(group) {
            const isNote = group.some((write) => write.kind === 'record' && write.body.includes(TREE_SPENT));
            if (!isNote || losses > 0) return store.append(group);
            losses += 1;
            throw new Error('the disk is full');
          },
        });
      },
      dispose: () => {
        inner.dispose();
      },
    };
    const all = lives(faulty, {
      agents: [root, middle, payer, idle],
      limits: { maxFinishedJobs: 1, restartBackoffMs: 1 },
    });
    try {
      const first = await all.next();
      const client = await first.open();
      await client.accepted('root', {}, { payload: { cost_budget: ['USD:10'] } });
      await first.clock.settle();
      // Pushes out the payer: the heir that loses the note fails, and the tree goes on.
      await client.terminal(await client.accepted('idle'));
      expect((await client.next('job.failed')).payload).toMatchObject({ code: 'UNAVAILABLE' });
      expect(losses).toBe(1);
      if (pushed === 'its heir too') await client.terminal(await client.accepted('idle'));
      await first.clock.advance(waits);
      await first.clock.settle();
      const second = await all.next();
      await second.clock.advance(2_000);
      expect(left).toEqual([{ USD: '10' }, { USD: '7' }]);
    } finally {
      await all.end();
    }
  },
);
