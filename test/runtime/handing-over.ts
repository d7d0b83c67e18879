/** Real runtimes with real sockets between them, for tests of jobs that are handed over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  bearerTokens,
  createRuntime,
  defineAgent,
  listen,
  memoryStore,
  sqliteStore,
  type HandoffRuntime,
  type JobContext,
  type Runtime,
  type RuntimeOptions,
  type Server,
  type Store,
} from '../../src/index.js';
import { connect, type Client, type JobEvent } from '../../src/client/index.js';

export const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

/** Hands over what it is told to. */
export const sender = defineAgent({
  name: 'sender',
  version: '1.0.0',
  recovery: 'resume',
  input: z.looseObject({ to: z.unknown(), agent: z.string() }),
  run: ({ to, agent, ...options }, ctx) => ctx.handoff(to as string, agent, options),
});

export interface Place {
  readonly runtime: Runtime;
  readonly server: Server;
  readonly url: string;
}

export const opened: (() => unknown)[] = [];

/** Ends what the test has opened, the latest first. */
export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close();
}

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'arcp-handoff-'));
  opened.push(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

export const STORES: [string, () => Store][] = [
  ['memory', memoryStore],
  ['sqlite', () => sqliteStore({ folder: folder(), durability: 'normal' })],
];

export async function place(options: RuntimeOptions, port = 0): Promise<Place> {
  const runtime = createRuntime({ authenticators: [bearerTokens([['t0ken', 'ada']])], ...options });
  const server = await listen(runtime, { port });
  opened.push(() => server.close());
  return { runtime, server, url: server.url };
}

export const east = ({ runtime, url }: Place, more: Partial<HandoffRuntime> = {}): HandoffRuntime => ({
  name: 'east',
  url,
  fingerprint: runtime.fingerprint,
  token: 't0ken',
  ...more,
});

export async function clientOf({ url }: Place): Promise<Client> {
  const client = await connect(url, { token: 't0ken' });
  opened.push(() => client.close());
  return client;
}

export async function eventsOf(job: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of job) if (event.type !== 'job.heartbeat') events.push(event);
  return events;
}

export async function firstOf<Type extends JobEvent['type']>(
  job: AsyncIterable<JobEvent>,
  type: Type,
): Promise<Extract<JobEvent, { type: Type }>> {
  for await (const event of job) if (event.type === type) return event as Extract<JobEvent, { type: Type }>;
  throw new Error(`there was no ${type}`);
}

export async function listed(client: Client) {
  const found = [];
  for await (const one of client.jobs()) found.push(one);
  return found;
}

/** Looks again until it is so, a bounded number of times. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < 2_000; looks += 1) if (await isSo()) return;
  throw new Error('it did not come to that');
}
