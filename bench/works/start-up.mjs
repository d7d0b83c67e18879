/** (h) From the start of the server's process to the end of its first job. */
import { ask } from '../ipc.mjs';
import { connect, end, start } from '../processes.mjs';
import { ALL, startServer } from '../servers.mjs';

/** @type {import('./work.mjs').Work} */
export const startUp = {
  key: 'h',
  title: 'Start-up to the first job',
  servers: ALL,
  async run(definition, samples) {
    const load = start('load.mjs');
    await ask(load, 'cpu');
    const started = performance.now();
    const server = await startServer(definition, samples);
    try {
      await connect({ server, load }, 1, definition.dialect);
      await ask(load, 'sample', { tool: 'fast', arguments: {} });
      return [{ work: 'to the first job', unit: 'ms', value: performance.now() - started }];
    } finally {
      await Promise.all([end(load), end(server)]);
    }
  },
};
