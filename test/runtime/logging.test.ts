/** What is logged of strangers is short, and said once. */
import { expect, it } from 'vitest';
import type { LogFields, Logger } from '../../src/runtime/logger.js';
import { bench } from './bench.js';

function listening() {
  const lines: { level: string; fields: LogFields; message: string }[] = [];
  const at = (level: string) => (fields: LogFields, message: string) =>
    lines.push({ level, fields, message });
  const logger: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { lines, logger };
}

it('a log line is short, however long the texts that peers send (L7)', async () => {
  const { lines, logger } = listening();
  await using test = bench({ logger });
  const raw = test.raw();
  const long = 'x'.repeat(100_000);
  raw.sendText(JSON.stringify({ arcp: '1.1', id: 'msg_1', type: long, timestamp: 'now', payload: {} }));
  await raw.open('ada');
  raw.send('session.close', { reason: `${'y'.repeat(255)}\u{1f600}${long}` });
  await raw.next('session.closed');
  const texts = lines.flatMap(({ fields }) => Object.values(fields)).map(String);
  expect(Math.max(...texts.map((text) => text.length))).toBe(257);
  expect(texts.every((text) => text.isWellFormed())).toBe(true);
  expect(lines).toContainEqual(expect.objectContaining({ message: 'session closed' }));
});

it('what is dropped before there is a session is told once for each connection', async () => {
  const { lines, logger } = listening();
  await using test = bench({ logger });
  const [one, other] = [test.raw(), test.raw()];
  for (let n = 0; n < 5; n += 1) one.send('ping', {});
  other.send('ping', {});
  await test.clock.settle();
  const levels = lines.filter(({ message }) => message.startsWith('dropped')).map(({ level }) => level);
  expect(levels.sort()).toEqual(['debug', 'debug', 'debug', 'debug', 'info', 'info']);
});
