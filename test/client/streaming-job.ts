/** A job that is under way on a session that can be resumed, for the tests that break its connection. */
import { FakeRuntime, turn, type FakeConnection } from './fake-runtime.js';

/** A client whose session can be resumed, with one job that has begun. */
export async function streaming() {
  const runtime = new FakeRuntime();
  const { client, connection } = await runtime.open({ resumeToken: 'rt_1' });
  const invoking = client.invoke('ticker');
  await connection.acceptJob('job_1');
  const job = await invoking;
  connection.progress('job_1', 1);
  await turn();
  return { runtime, client, connection, job };
}

/** The percentages of the progress events among these. */
export function percents(items: readonly { type: string; payload: object }[]): unknown[] {
  return items.flatMap(({ type, payload }) =>
    type === 'job.progress' && 'percent' in payload ? [payload.percent] : [],
  );
}

/** Sends an event under a number that was used before. */
export function repeat(connection: FakeConnection, event_seq: number, percent: number): void {
  connection.reply('job.progress', { current: percent, percent }, { job_id: 'job_1', event_seq });
}
