/**
 * A runtime whose agent `fast` lives where the first argument says: `in-process`, `child` (warm processes) or `dialled`
 * (a worker that dialled in). It does nothing, so that what is measured is the way to it and back.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { bearerTokens, createRuntime, defineAgent, listen, memoryStore, processAgent } from 'arcp-runtime';
import { answer, cpuMeter } from './ipc.mjs';

const place = process.argv[2];
/** As many as are ever in flight, so that none waits for a process. */
const POOL = 16;

const identity = { name: 'fast', version: '1.0.0' };
const command = [process.execPath, new URL('dispatch-agent.mjs', import.meta.url).pathname];
const agents = {
  'in-process': () => [defineAgent({ ...identity, run: () => 'done' })],
  // Trusted: without walls, which cost nothing any more once a process runs.
  child: () => [processAgent({ ...identity, command, pool: POOL, maxProcesses: POOL, trusted: true })],
  dialled: () => [],
};
if (place === undefined || !Object.hasOwn(agents, place)) throw new Error(`no such place: ${String(place)}`);

const runtime = createRuntime({
  store: memoryStore(),
  agents: agents[/** @type {keyof typeof agents} */ (place)](),
  authenticators: [
    bearerTokens([
      ['bench', 'bench'],
      ['worker', 'worker'],
    ]),
  ],
  hosts: ['worker'],
  limits: { maxRunningJobsPerPrincipal: 1_000 },
});
const server = await listen(runtime, { port: 0 });
if (place === 'dialled') {
  const worker = fork(new URL('dispatch-worker.mjs', import.meta.url), [server.url], { execArgv: [] });
  await once(worker, 'message');
}
// Its processes go with it.
process.once('disconnect', () => void runtime.close());

answer({ port: () => server.port, cpu: cpuMeter() });
