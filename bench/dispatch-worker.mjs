/** The agent that does nothing, in a worker that dials in. */
import { defineAgent, host } from 'arcp-runtime/host';

const [url = ''] = process.argv.slice(2);
const fast = defineAgent({ name: 'fast', version: '1.0.0', run: () => 'done' });
await host(url, { token: 'worker', agents: [fast], maxJobs: 100 });
process.send?.('here');
process.once('disconnect', () => process.exit());
