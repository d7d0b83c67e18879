/** What `--verbose` shows of streams. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SpokenLines } from '../../src/cli/spoken-lines.js';
import type { JobEvent, JobEventType } from '../../src/client/index.js';
import { jobEvent } from './job-events.js';

function of(type: JobEventType, payload: object): JobEvent {
  return { ...jobEvent(type, 'root', payload), stream_id: 'str_a' };
}

function spoken(kind: string, chunks: readonly object[], end: JobEvent = of('stream.close', {})): string[] {
  const lines = new SpokenLines();
  const events = chunks.map((chunk, sequence) => of('stream.chunk', { sequence, ...chunk }));
  return [of('stream.open', { kind }), ...events, end].flatMap((event) => lines.of(event));
}

it('puts the lines of a text together, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'bc', '\n', 'é')), (pieces) => {
      const whole = pieces.join('').split('\n');
      if (whole.at(-1) === '') whole.pop();
      const chunks = pieces.map((data) => ({ data }));
      expect(spoken('text', chunks)).toEqual(whole.map((line) => `text: ${line}`));
    }),
  );
});

it('shows the beginning of a line whose stream fails', () => {
  const failed = of('stream.error', { code: 'ABORTED', message: 'over' });
  expect(spoken('text', [{ data: 'half a li' }], failed)).toEqual(['text: half a li']);
});

it('shows thoughts with their role, and of one that is held back only that there was one', () => {
  const chunks = [{ content: 'a\nb', role: 'assistant' }, { content: 'c' }, { redacted: true }];
  expect(spoken('thought', chunks)).toEqual([
    'thought (assistant): a',
    'thought (assistant): b',
    'thought: c',
    'thought: (held back)',
  ]);
});

it('shows nothing of bytes, nothing of what clients stream in, and nothing that a terminal would obey', () => {
  expect(spoken('binary', [{ data: 'aGVsbG8=' }])).toEqual([]);
  const lines = new SpokenLines();
  const source = { session_id: 'sess_b' } as unknown as NonNullable<JobEvent['source']>;
  lines.of({ ...of('stream.open', { kind: 'text' }), source });
  expect(lines.of({ ...of('stream.chunk', { sequence: 0, data: 'x\n' }), source })).toEqual([]);
  expect(spoken('text', [{ data: 'a\u001b[2Jb\n' }])).toEqual(['text: a [2Jb']);
});

it('holds no more of a line than it shows at once (L7)', () => {
  const shown = spoken('text', [{ data: '🎈'.repeat(5_000) }]);
  expect(shown.map((line) => line.length)).toEqual([4_006, 4_006, 2_006]);
});
