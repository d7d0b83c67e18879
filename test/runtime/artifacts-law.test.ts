/** Whatever is put, cut and sent again however, is what is fetched, cut however. */
import { describe, it, expect } from 'vitest';
import * as fc from 'fast-check';
import { fetchAll, put, sha256 } from './artifact-client.js';
import { bench } from './bench.js';

/** One part of the content, from where its sender takes up to where the next one does, sent this often. */
const step = fc.record({
  length: fc.nat(50),
  back: fc.constantFrom(0, 0, 0, 5, 60),
  times: fc.integer({ min: 1, max: 3 }),
});

describe('an artifact', () => {
  it('round-trips any bytes for any sizes of parts, with parts repeated and overlapping (T3)', async () => {
    await using test = bench({ limits: { maxChunkBytes: 64, maxArtifactPartsInFlight: 1_000 } });
    const client = await test.open();
    let uploads = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(step, { maxLength: 12 }),
        fc.integer({ min: 1, max: 100 }),
        async (content, steps, limit) => {
          const upload_id = `u${uploads++}`;
          const sent = [];
          let at = 0;
          for (const { length, back, times } of steps) {
            const from = Math.max(0, at - back);
            const end = Math.min(content.length, from + length);
            for (let n = 0; n < times; n += 1) {
              const part = content.subarray(from, end);
              sent.push(put(client, part, { upload_id, offset: from, more: true }));
            }
            at = Math.max(at, end);
          }
          for (; content.length - at > 64; at += 64) {
            sent.push(put(client, content.subarray(at, at + 64), { upload_id, offset: at, more: true }));
          }
          sent.push(put(client, content.subarray(at), { upload_id, offset: at, sha256: sha256(content) }));
          const answers = await Promise.all(sent);
          const last = answers.at(-1);
          if (last?.type !== 'artifact.ref') throw new Error(JSON.stringify(last?.payload));
          expect(answers.map(({ type }) => type)).toEqual(answers.map(() => 'artifact.ref'));
          expect(last.payload).toMatchObject({ size: content.length, sha256: sha256(content) });
          const fetched = await fetchAll(client, last.payload.artifact_id, limit);
          expect(fetched.equals(content)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});
