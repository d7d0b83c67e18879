/** The agent that does nothing, as a process: one line comes, one line goes. */
import { createInterface } from 'node:readline';
import { parseJson } from './ipc.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  const { type, job_id } = /** @type {{ type: string; job_id: string }} */ (parseJson(line));
  if (type === 'tool.invoke')
    process.stdout.write(
      `${JSON.stringify({ type: 'job.completed', job_id, payload: { value: 'done' } })}\n`,
    );
}
