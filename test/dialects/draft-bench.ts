/** A runtime in memory, and clients of draft-1.1 for it, beside the classic ones of `runtime/bench.ts`. */
import type { RuntimeOptions } from '../../src/create-runtime.js';
import type { MemoryTransport } from '../../src/transport/memory.js';
import { bench, type Bench } from '../runtime/bench.js';
import { DraftClient } from './draft-client.js';

export type WiredDraftClient = DraftClient & { readonly wire: MemoryTransport };

export interface DraftBench extends Bench {
  /** A connection without a session. */
  draft(): WiredDraftClient;
  /** A session of this principal; `null` features are those of a client of version 1.0. */
  hello(principal?: string, features?: readonly string[] | null): Promise<WiredDraftClient>;
}

export function draftBench(options: Omit<RuntimeOptions, 'clock'> = {}): DraftBench {
  const test = bench(options);
  const draft = (): WiredDraftClient => {
    const wire = test.dial();
    return Object.assign(new DraftClient(wire), { wire });
  };
  return {
    ...test,
    draft,
    async hello(principal = 'ada', features) {
      const client = draft();
      await client.hello(principal, features);
      return client;
    },
  };
}
