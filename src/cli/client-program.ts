/**
 * A client as a program, started for one case: `{url}` in its words is where the case is, and `ARCP_URL`, `ARCP_CASE` and
 * `ARCP_TOKEN` say the same to its environment.
 *
 * (V1) No shell reads its words. It leads a process group of its own, and all of that goes when its case is over.
 * (V2) What it prints is read to its end and little of it kept (L7).
 */
import { spawn } from 'node:child_process';
import { ArcpError } from '../protocol/index.js';
import { wordsOf } from '../agents/process/command.js';
import type { ClientCase, Run } from '../conformance/index.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';

/** Of what the program printed last, in characters. */
const MAX_SAID = 2_000;

/** The words of a command; each `{url}` in them is replaced when it is started. Throws a Failure for one without words. */
export function clientProgram(command: string): (url: string, clientCase: ClientCase) => Run {
  let words: readonly string[];
  try {
    words = wordsOf(command);
  } catch (error) {
    if (error instanceof ArcpError)
      throw new Failure(EXIT.usage, `--run: ${error.message}`, "e.g. --run 'node client.mjs {url}'");
    throw error;
  }
  return (url, clientCase) => start(words, url, clientCase);
}

function start(words: readonly string[], url: string, { id }: ClientCase): Run {
  const [program = '', ...args] = words.map((word) => word.replaceAll('{url}', url));
  const child = spawn(program, args, {
    env: { ...process.env, ARCP_URL: url, ARCP_CASE: id, ARCP_TOKEN: 'conformance' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    windowsHide: true,
  });
  let said = '';
  const hear = (piece: string): void => {
    said = (said + piece).slice(-MAX_SAID);
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  const stop = (): void => {
    process.removeListener('exit', stop);
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The whole group has ended.
    }
  };
  process.once('exit', stop);
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => {
      resolve(`it cannot be started: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      resolve(code === 0 ? undefined : `it ends with ${signal ?? `status ${String(code)}`}`);
    });
  });
  return { ended: ended.then((fault) => ({ fault, said: said.trim() })), stop };
}
