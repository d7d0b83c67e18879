/** What holds for whatever a client of draft-1.1 sends (laws L3 and L6), through the front door of a runtime. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conformanceAgents } from '../../src/conformance/agents/index.js';
import { draftRuleFor } from '../../src/protocol/draft/messages.js';
import { draftBench } from './draft-bench.js';

const agents = conformanceAgents();

const name = fc.constantFrom('echo', 'echo@1.0.0', 'report-builder', 'fail', 'nobody', 'Bad Agent', '');
const job = fc.constantFrom('job_x', 'x', '');
/** Mostly what fits, sometimes anything. */
const or = <T>(fits: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 8, arbitrary: fits }, { weight: 1, arbitrary: fc.jsonValue() });

/** Commands that leave the connection open, whatever becomes of them. */
const command = fc.oneof(
  fc.record({
    type: fc.constant('job.submit'),
    payload: fc.record(
      {
        agent: or(name),
        input: fc.jsonValue(),
        lease_request: or(
          fc.dictionary(fc.constantFrom('cost.budget', 'fs.read'), or(fc.constant(['USD:1']))),
        ),
        max_runtime_sec: or(fc.integer({ min: -1, max: 100 })),
        idempotency_key: or(fc.constantFrom('k1', 'k2')),
        parent_job_id: or(job),
      },
      { requiredKeys: ['agent'] },
    ),
  }),
  fc.record({ type: fc.constant('session.ping'), payload: fc.record({ nonce: or(fc.string()) }) }),
  fc.record({
    type: fc.constant('session.list_jobs'),
    payload: fc.record({ limit: or(fc.nat(3)), cursor: or(fc.constant(null)) }),
  }),
  fc.record({ type: fc.constant('job.subscribe'), payload: fc.record({ job_id: or(job) }) }),
  fc.record({ type: fc.constant('job.cancel'), payload: fc.record({ job_id: or(job) }) }),
  fc.record({
    type: fc.constantFrom('job.dance', 'tool.invoke', 'session.welcome', 'job.result'),
    payload: fc.constant({}),
  }),
);

describe('every command', () => {
  it('has one answer, of those that the table names or the refusal of its kind, and the connection goes on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 12 }), async (commands) => {
        await using test = draftBench({ agents });
        const client = await test.hello();
        for (const { type, payload } of commands) {
          const before = client.frames.length;
          const id = client.send(type, payload);
          await test.clock.settle();
          const rule = draftRuleFor(type);
          const refusal = type === 'job.submit' ? 'job.error' : 'session.error';
          const allowed = new Set<string>([...(rule?.answers ?? []), refusal]);
          const answers = client.frames.slice(before).filter((frame) => {
            if (frame.type === 'session.pong') return true;
            if (frame.type === 'session.error' || frame.type === 'job.error')
              return frame.payload.details?.['request_id'] === id;
            return 'request_id' in frame.payload && frame.payload.request_id === id;
          });
          expect(answers, `${type} ${JSON.stringify(payload)}`).toHaveLength(1);
          expect(allowed).toContain(answers[0]?.type);
        }
        client.send('session.ping', { nonce: 'last' });
        await client.next('session.pong', ({ payload }) => payload.ping_nonce === 'last');
      }),
      { numRuns: 60 },
    );
  });
});

describe('frames that are nothing', () => {
  const frame = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc
      .record({ arcp: fc.constant('1.1'), id: fc.string(), type: fc.string(), payload: fc.jsonValue() })
      .map((value) => JSON.stringify(value)),
  );

  it('are answered once each, and change nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 20 }), async (frames) => {
        await using test = draftBench({ agents });
        const client = await test.hello();
        for (const text of frames) client.transport.send(text);
        await test.clock.settle();
        expect(client.seen('session.error')).toHaveLength(frames.length);
        await client.terminal(await client.accepted('echo', 1));
      }),
      { numRuns: 100 },
    );
  });
});

describe('a resume from any place', () => {
  it('tells what followed, to the letter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 6 }), fc.nat(), async (names, place) => {
        await using test = draftBench({ agents });
        const first = await test.hello();
        for (const agent of names)
          first.submit(agent, { n: 1 }, {}, { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736' });
        await test.clock.settle();
        const from = place % (first.lastSeq + 1);
        const numbered = first.texts.filter((text) => text.includes('"event_seq":'));
        const again = test.draft();
        await again.resume(first, from);
        await test.clock.settle();
        expect(again.texts.filter((text) => text.includes('"event_seq":'))).toEqual(numbered.slice(from));
      }),
      { numRuns: 40 },
    );
  });
});
