/**
 * Puts what jobs ask to whoever sits at the terminal, one question after the other. Where nobody does, because stdin or
 * stderr is no terminal, it says how to answer from elsewhere and asks nothing.
 */
import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Question, QuestionEnd } from '../client/index.js';
import { ArcpError } from '../protocol/index.js';
import { describe } from './failure.js';
import { promptText, readAnswer } from './question-text.js';
import type { Reporter } from './reporter.js';
import { printable } from './text.js';

/** Questions of a history have been answered long ago: their answers follow at once. */
const SETTLE_MS = 100;

/** What asks: a job, with all below it. */
interface Asking {
  questions(): AsyncIterable<Question>;
}

/** What was typed; nothing when the question is over first, or nobody types any more. */
export type ReadLine = (prompt: string, signal: AbortSignal) => Promise<string | undefined>;

/** What of a reporter is needed. */
type Teller = Pick<Reporter, 'say' | 'asking'>;

export class Prompter {
  readonly #reporter: Teller;
  readonly #readLine: ReadLine | undefined;
  readonly #end = new AbortController();
  readonly #signal: AbortSignal;
  readonly #how: (question: Question) => string;

  /** Puts what the job asks until it ends, or `signal` is aborted; without `readLine` it only tells of it. */
  constructor(
    job: Asking,
    reporter: Teller,
    readLine: ReadLine | undefined,
    signal: AbortSignal,
    how: (question: Question) => string = howToAnswer,
  ) {
    this.#reporter = reporter;
    this.#how = how;
    this.#readLine = readLine;
    this.#signal = AbortSignal.any([signal, this.#end.signal]);
    // That the job can no longer be followed is told by whoever follows it.
    this.#run(job).catch(() => undefined);
  }

  /** Nobody is asked any more. */
  end(): void {
    this.#end.abort();
  }

  async #run(job: Asking): Promise<void> {
    for await (const question of job.questions()) await this.#put(question);
  }

  async #put(question: Question): Promise<void> {
    const over = new AbortController();
    void question.ended.then((end) => {
      over.abort(end);
    });
    await delay(SETTLE_MS, undefined, { ref: false });
    if (over.signal.aborted || this.#signal.aborted) return;
    const readLine = this.#readLine;
    if (readLine === undefined) {
      this.#reporter.say(`${question.jobId} asks: ${printable(question.prompt)}\n  ${this.#how(question)}`);
      return;
    }
    await this.#reporter.asking(() => this.#ask(question, over.signal, readLine));
  }

  async #ask(question: Question, over: AbortSignal, readLine: ReadLine): Promise<void> {
    const signal = AbortSignal.any([over, this.#signal]);
    for (;;) {
      const line = await readLine(promptText(question), signal);
      if (line === undefined) {
        process.stderr.write(this.#signal.aborted ? '\n' : `\n  ${whyNot(question, over)}\n`);
        return;
      }
      const typed = readAnswer(question, line);
      const why = typed.kind === 'wrong' ? typed.why : await sent(typed.send);
      if (why === undefined) return;
      process.stderr.write(`  ${why}\n`);
      if (signal.aborted) return;
    }
  }
}

async function readFromTerminal(prompt: string, signal: AbortSignal): Promise<string | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  const closed = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)));
  // A terminal that reads lines takes Ctrl-C for itself: it is meant for the command.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const typed = terminal.question(prompt, { signal }).catch(() => undefined);
    return await Promise.race([typed, closed]);
  } finally {
    terminal.close();
  }
}

/** Nothing when the runtime took it, else why not. */
async function sent(send: () => Promise<void>): Promise<string | undefined> {
  try {
    await send();
    return undefined;
  } catch (error) {
    return error instanceof ArcpError ? describe(error) : String(error);
  }
}

function whyNot(question: Question, over: AbortSignal): string {
  if (!over.aborted) return `left open: ${howToAnswer(question)}`;
  const end = over.reason as QuestionEnd;
  const by = 'responded_by' in end.payload ? ` by ${printable(end.payload.responded_by)}` : '';
  return by === '' ? 'no longer open' : `answered${by}`;
}

/** @param where what else the command needs to find the runtime */
export function howToAnswer({ request, jobId }: Question, where = ''): string {
  if (request.type === 'permission.request') return `\`arcp approve ${jobId}${where}\`, or with --deny`;
  return `\`arcp answer ${jobId} ${request.type === 'human.choice.request' ? 'OPTION' : 'VALUE'}${where}\``;
}

/** How to ask whoever sits there; nothing where nobody does. */
export function terminalReader(): ReadLine | undefined {
  return process.stdin.isTTY && process.stderr.isTTY ? readFromTerminal : undefined;
}
