/**
 * What a worker is handed before it begins: one line of JSON on its stdin, in front of the first frame.
 *
 * (V1) Secrets, the token and variables come this way on every kind of host, so that none of them is ever in an argv, in
 *      the environment of a client such as `ssh`, or in a file.
 * (V2) It is read once and bounded; what follows the line is left for the connection.
 */
import type { Readable } from 'node:stream';
import * as z from 'zod';
import { ArcpError } from '../../protocol/errors.js';

const handover = z.object({
  /** The run whose tasks it does; it takes no others. */
  run: z.string(),
  /** Shown to the runtime as the bearer token. */
  token: z.string().optional(),
  /** By the names of their references. A task gets those that its lease names. */
  secrets: z.record(z.string(), z.string()),
  /** Variables that tasks may be given. */
  env: z.record(z.string(), z.string()),
});

export type Handover = z.output<typeof handover>;

const MAX_BYTES = 1_048_576;

export function encodeHandover(given: Handover): string {
  return `${JSON.stringify(given)}\n`;
}

/** Throws INVALID_ARGUMENT, without a word of what was read. */
export async function readHandover(stdin: Readable): Promise<Handover> {
  return parse(await firstLine(stdin));
}

/** (V2) */
function firstLine(stdin: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const done = (outcome: string | ArcpError): void => {
      stdin.off('readable', read).off('end', ended).off('error', ended);
      if (typeof outcome === 'string') resolve(outcome);
      else reject(outcome);
    };
    const ended = (): void => {
      done(refused('stdin ended before the line'));
    };
    const read = (): void => {
      for (let piece = next(stdin); piece !== null; piece = next(stdin)) {
        const end = piece.indexOf(0x0a);
        pieces.push(end === -1 ? piece : piece.subarray(0, end));
        size += piece.length;
        if (end !== -1) {
          if (end + 1 < piece.length) stdin.unshift(piece.subarray(end + 1));
          done(Buffer.concat(pieces).toString());
          return;
        }
        if (size > MAX_BYTES) {
          done(refused(`the line is longer than ${MAX_BYTES} bytes`));
          return;
        }
      }
    };
    stdin.on('readable', read).on('end', ended).on('error', ended);
  });
}

function next(stdin: Readable): Buffer | null {
  return stdin.read() as Buffer | null;
}

function parse(line: string): Handover {
  try {
    const read = handover.safeParse(JSON.parse(line));
    if (read.success) return read.data;
  } catch {
    // Its message would repeat what was read.
  }
  throw refused('the line is not what a fleet hands over');
}

function refused(why: string): ArcpError {
  return new ArcpError('INVALID_ARGUMENT', `--handover: ${why}`);
}
