/**
 * A client that is tested: it does what `arcp conformance --client` asks of one, with the client SDK of this package.
 *
 *   arcp conformance --client --run 'node examples/client-under-test.mjs {url}'
 */
import { ArcpError, connect } from 'arcp-runtime/client';

/** @typedef {import('arcp-runtime/client').Client} Client */

const OPTIONS = {
  token: 'any',
  reconnect: { initialDelayMs: 10, maxDelayMs: 100 },
  // The runtime of a case wants a sign of life every second.
  limits: { keepAliveMs: 500, closeTimeoutMs: 200 },
};

/** Codes by which the SDK says that it, not the job, is at a loss. */
const LOSSES = ['DATA_LOSS', 'UNAVAILABLE', 'RESUME_WINDOW_EXPIRED', 'INTERNAL', 'BACKPRESSURE_OVERFLOW'];

const url = process.argv[2] ?? '';
try {
  const client = await connect(url, OPTIONS);
  await report(client, await play(client));
} catch (error) {
  const outcome = { outcome: 'refused', code: ArcpError.from(error).code };
  await report(await connect(url, OPTIONS), outcome);
}

/** @param {Client} client */
async function play(client) {
  /** @type {(number | undefined)[]} */
  const progress = [];
  try {
    const job = await client.invoke('play', {});
    for await (const event of job) if (event.type === 'job.progress') progress.push(event.payload.current);
    const { value, result } = await job.result();
    return { outcome: 'completed', value, text: result?.text(), progress };
  } catch (error) {
    const { code } = ArcpError.from(error);
    const outcome = code === 'CANCELLED' ? 'cancelled' : LOSSES.includes(code) ? 'lost' : 'failed';
    return { outcome, code, progress };
  }
}

/**
 * @param {Client} client
 * @param {Record<string, unknown>} outcome
 */
async function report(client, outcome) {
  await (await client.invoke('report', outcome)).result();
  await client.close();
}
