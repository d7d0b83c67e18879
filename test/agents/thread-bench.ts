/** A runtime of the built package with the agents of `fixtures/thread-agents.mjs`, and a client of it. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Agent, Tool } from '../../src/index.js';
import type { Transport } from '../../src/transport/transport.js';
import { RawClient } from '../runtime/raw-client.js';

const ROOT = new URL('../../', import.meta.url);

/** What is used of the built package: a thread loads its agents from there, too. */
interface Built {
  createRuntime(options: { agents: readonly Agent[]; tools: readonly Tool[]; authenticators: unknown[] }): {
    accept(transport: Transport): void;
    close(): Promise<void>;
  };
  anonymous(): unknown;
}

export interface ThreadBench {
  /** Those that run in threads; `local` is hosted beside them. */
  readonly threads: readonly Agent[];
  readonly client: RawClient;
  close(): Promise<void>;
}

/** @param path of a module of the repository */
export const load = (path: string): Promise<unknown> => import(/* @vite-ignore */ new URL(path, ROOT).href);

export async function threadBench(): Promise<ThreadBench> {
  if (!existsSync(new URL('dist/agents/worker-entry.js', ROOT))) {
    execFileSync(process.execPath, ['.ci/build.mjs'], { cwd: ROOT });
  }
  const built = (await load('dist/index.js')) as Built;
  const { memoryPair } = (await load('dist/transport/memory.js')) as {
    memoryPair: () => [Transport, Transport];
  };
  const { threads, local, twice } = (await load('test/agents/fixtures/thread-agents.mjs')) as {
    threads: Agent[];
    local: Agent;
    twice: Tool;
  };
  const runtime = built.createRuntime({
    agents: [...threads, local],
    tools: [twice],
    authenticators: [built.anonymous()],
  });
  const [ours, theirs] = memoryPair();
  runtime.accept(ours);
  const client = new RawClient(theirs);
  await client.open(undefined, { extensions: ['arcpx.arcp.human.v1'] });
  return { threads, client, close: () => runtime.close() };
}
