/** Our SDK as a client that is tested: it plays a case and reports what it saw. */
import { ArcpError, connect, type Client, type ConnectOptions } from '../../../src/client/index.js';

const OPTIONS: ConnectOptions = {
  token: 'any',
  reconnect: { initialDelayMs: 10, maxDelayMs: 50 },
  // The runtime of a case wants a sign of life every second.
  limits: { keepAliveMs: 300, closeTimeoutMs: 200 },
};

/** Codes by which the SDK says that it, not the job, is at a loss. */
const LOSSES = new Set([
  'DATA_LOSS',
  'UNAVAILABLE',
  'RESUME_WINDOW_EXPIRED',
  'INTERNAL',
  'BACKPRESSURE_OVERFLOW',
]);

export async function playWithSdk(url: string): Promise<void> {
  let client: Client;
  try {
    client = await connect(url, OPTIONS);
  } catch (error) {
    const { code } = ArcpError.from(error);
    client = await connect(url, OPTIONS);
    await reported(client, { outcome: 'refused', code });
    return;
  }
  await reported(client, await played(client));
}

async function played(client: Client): Promise<Record<string, unknown>> {
  const progress: number[] = [];
  try {
    const job = await client.invoke('play', {});
    for await (const event of job) {
      if (event.type === 'job.progress') progress.push(event.payload.current);
    }
    const { value, result } = await job.result();
    return {
      outcome: 'completed',
      progress,
      ...(value === undefined ? {} : { value }),
      ...(result === undefined ? {} : { text: result.text() }),
    };
  } catch (error) {
    const { code } = ArcpError.from(error);
    const outcome = code === 'CANCELLED' ? 'cancelled' : LOSSES.has(code) ? 'lost' : 'failed';
    return { outcome, code, progress };
  }
}

async function reported(client: Client, report: Record<string, unknown>): Promise<void> {
  await (await client.invoke('report', report)).result();
  await client.close();
}
