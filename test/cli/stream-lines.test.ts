/** What `arcp invoke` and `arcp tail` say of the streams of a job. */
import { describe, expect, it } from 'vitest';
import { PlainReporter } from '../../src/cli/reporter.js';
import { StreamLines } from '../../src/cli/stream-lines.js';
import type { JobEvent, JobEventType } from '../../src/client/index.js';
import { accepted, jobEvent } from './job-events.js';

function of(stream: string, type: JobEventType, payload: object): JobEvent {
  return { ...jobEvent(type, 'root', payload), stream_id: `str_${stream}` };
}

function chunk(stream: string, sequence: number, data: unknown): JobEvent {
  return of(stream, 'stream.chunk', { sequence, data });
}

describe('a stream', () => {
  it.each([
    ['text', ['grüße', ' 🎈'], 'stream text  2 chunks, 12 bytes'],
    ['binary', ['aGVsbG8='], 'stream binary  1 chunk, 5 bytes'],
    ['metric', [{ name: 'a', value: 1 }], 'stream metric  1 chunk'],
    ['text', [], 'stream text  0 chunks, 0 bytes'],
  ])('of kind %s is one line when it ends', (kind, data, line) => {
    const lines = new StreamLines();
    expect(lines.of(of('a', 'stream.open', { kind }))).toBeUndefined();
    data.forEach((one, sequence) => expect(lines.of(chunk('a', sequence, one))).toBeUndefined());
    expect(lines.of(of('a', 'stream.close', {}))).toBe(line);
  });

  it('is counted apart from others, and its error is told without what a terminal would obey', () => {
    const lines = new StreamLines();
    lines.of(of('a', 'stream.open', { kind: 'text' }));
    lines.of(of('b', 'stream.open', { kind: 'log' }));
    lines.of(chunk('a', 0, 'abc'));
    expect(lines.of(of('b', 'stream.close', {}))).toBe('stream log  0 chunks');
    const error = { code: 'CANCELLED', message: 'by\u001b[2J hand' };
    expect(lines.of(of('a', 'stream.error', error))).toBe(
      'stream text  1 chunk, 3 bytes  CANCELLED: by [2J hand',
    );
  });

  it('of which only the end was seen is told all the same', () => {
    expect(new StreamLines().of(of('a', 'stream.close', {}))).toBe('stream  ended');
  });

  it('is a line of its job where the output is no terminal', () => {
    let text = '';
    const reporter = new PlainReporter('job_root', { write: (more) => (text += more) });
    reporter.event(accepted('root', 'reader@1'));
    reporter.event(of('a', 'stream.open', { kind: 'text' }));
    reporter.event(chunk('a', 0, 'abc'));
    reporter.event(of('a', 'stream.close', {}));
    reporter.end();
    expect(text).toBe('job_root reader@1  accepted\njob_root reader@1  stream text  1 chunk, 3 bytes\n');
  });
});
