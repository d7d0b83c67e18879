/**
 * Evaluates the expressions of scorers on the text of a file. RE2 and RFC 9535 cannot run away by themselves, but a large
 * file and a nested query can take long all the same: in production they run in a thread that is ended in time.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../clock.js';
import { compileJsonPath, compileRegex } from './patterns.js';

export type Question =
  | { readonly kind: 'regex'; readonly pattern: string; readonly text: string }
  | { readonly kind: 'json_path'; readonly expression: string; readonly text: string };

export type Answer =
  | { readonly kind: 'holds' | 'fails' }
  | { readonly kind: 'bad_expression' | 'bad_document'; readonly fault: string }
  | { readonly kind: 'gave_out'; readonly fault: string };

export type Evaluate = (question: Question) => Promise<Answer>;

/** In this thread, however long it takes. */
export function evaluateHere(question: Question): Answer {
  return question.kind === 'regex'
    ? matches(question.pattern, question.text)
    : selects(question.expression, question.text);
}

function matches(pattern: string, text: string): Answer {
  const read = compileRegex(pattern);
  if (!read.ok) return { kind: 'bad_expression', fault: read.fault };
  return { kind: read.expression.matcher(text).find() ? 'holds' : 'fails' };
}

function selects(expression: string, text: string): Answer {
  const read = compileJsonPath(expression);
  if (!read.ok) return { kind: 'bad_expression', fault: read.fault };
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's message repeats the text.
    return { kind: 'bad_document', fault: 'not JSON' };
  }
  // The library's type for a JSON value is wider than JSON's.
  for (const { value } of read.expression.lazyQuery(document as never)) {
    if (value !== null && value !== false) return { kind: 'holds' };
  }
  return { kind: 'fails' };
}

/** Bytes that an evaluation may use of the heap. */
const MAX_HEAP_MB = 256;

/** In a thread of its own that is ended after `limitMs`. */
export function evaluateInThread(limitMs: number, clock: Clock): Evaluate {
  return (question) =>
    new Promise((resolve) => {
      const thread = new Worker(new URL('./evaluate-entry.js', import.meta.url), {
        workerData: question,
        env: {},
        resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
      });
      const timer = clock.timer(limitMs, () =>
        finish({ kind: 'gave_out', fault: `no answer after ${limitMs} ms` }),
      );
      const finish = (answer: Answer): void => {
        timer.cancel();
        void thread.terminate();
        resolve(answer);
      };
      thread.once('message', finish);
      thread.once('error', (error) => finish({ kind: 'gave_out', fault: error.message }));
      thread.once('exit', () => finish({ kind: 'gave_out', fault: 'it ended without an answer' }));
    });
}
