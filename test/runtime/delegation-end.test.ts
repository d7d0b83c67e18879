/** A parent ends after its children, and takes them with it (R4). */
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

describe('the end of a parent', () => {
  const generations = agentNamed('generations', async (ctx, input) => {
    const depth = input as number;
    if (depth === 0) return untilAborted(ctx.signal);
    await ctx.delegate('generations', { arguments: depth - 1 });
    await ctx.delegate('generations', { arguments: depth - 1 });
    return depth === 3 ? 'left' : untilAborted(ctx.signal);
  });

  it.each(['by returning', 'by a cancel', 'by its lease'])(
    '%s ends its descendants first, the deepest before those above them (R4)',
    async (how) => {
      await using test = bench({ agents: [generations] });
      const client = await test.open();
      const payload = how === 'by its lease' ? { lease_request: { expires_at: '2026-01-01T00:00:01Z' } } : {};
      const root = await client.accepted('generations', how === 'by returning' ? 3 : 2, { payload });
      await test.clock.settle();
      if (how === 'by a cancel') client.send('cancel', { target: 'job', target_id: root });
      if (how === 'by its lease') await test.clock.advance(1_000);
      await client.terminal(root);
      const parents = new Map(
        client
          .seen('job.accepted')
          .flatMap((frame) =>
            frame.type === 'job.accepted'
              ? [[frame.payload.job_id, frame.payload.parent_job_id] as const]
              : [],
          ),
      );
      const ends = client.events().filter(({ type }) => /^job\.(completed|failed|cancelled)$/.test(type));
      expect(ends).toHaveLength(parents.size);
      expect(parents.size).toBeGreaterThan(5);
      const place = new Map(ends.map(({ job_id }, index) => [job_id, index]));
      for (const [child, parent] of parents) {
        if (parent !== undefined) expect(place.get(child)).toBeLessThan(place.get(parent) ?? -1);
      }
    },
  );

  it('waits no longer than the deadline for children that do not listen', async () => {
    const deaf = agentNamed('deaf', () => new Promise(() => undefined));
    const father = agentNamed('father', async (ctx) => {
      await ctx.delegate('deaf');
      return 'gone';
    });
    await using test = bench({ agents: [father, deaf] });
    const client = await test.open();
    const jobId = await client.accepted('father');
    await test.clock.advance(4_999);
    expect(client.story(jobId)).not.toContain('job.completed');
    await test.clock.advance(1);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'gone' } });
  });
});
