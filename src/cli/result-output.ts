/**
 * Where a result goes: to a file, to stdout, or nowhere but through its checks.
 *
 * (O1) A file is there whole or not at all: it is written under another name and renamed when the job has completed.
 *      What is no file, such as /dev/null or a pipe, is written to as it is, and never replaced.
 */
import { once } from 'node:events';
import { rmSync, type Stats } from 'node:fs';
import { open, realpath, rename, stat, type FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import type { Reporter } from './reporter.js';

export interface ResultOutput {
  /** A piece of a streamed result. */
  write(bytes: Uint8Array): Promise<void>;
  /** An inline result. */
  value(value: unknown): Promise<void>;
  /** The job has completed. Returns what is worth saying about it. */
  finish(): Promise<string | undefined>;
  /** The job has not completed. Once or more. */
  abandon(): Promise<void>;
}

/** A value as it is shown: JSON, with line breaks. */
function asText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

export class FileOutput implements ResultOutput {
  readonly #path: string;
  /** Where it is written until it is whole; none for what is written to as it is. */
  readonly #part: string | undefined;
  readonly #file: FileHandle;
  #size = 0;
  #closed = false;
  readonly #removePart = (): void => {
    if (this.#part !== undefined) rmSync(this.#part, { force: true });
  };

  private constructor(path: string, part: string | undefined, file: FileHandle) {
    this.#path = path;
    this.#part = part;
    this.#file = file;
    process.once('exit', this.#removePart);
  }

  /** Opens the file before the job is started: nobody should pay for a result that cannot be kept. */
  static async open(path: string): Promise<FileOutput> {
    try {
      const found = await existing(path);
      if (found?.isFile() === false) return new FileOutput(path, undefined, await open(path, 'w'));
      const target = found === undefined ? path : await realpath(path); // a link stays a link
      const part = `${target}.${process.pid}.part`;
      return new FileOutput(target, part, await open(part, 'wx', found?.mode)); // and a private file private
    } catch (error) {
      throw new Failure(
        EXIT.usage,
        `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
        'name another file after --out',
        error,
      );
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#file.writeFile(bytes);
    this.#size += bytes.length;
  }

  value(value: unknown): Promise<void> {
    return this.write(Buffer.from(asText(value)));
  }

  async finish(): Promise<string> {
    if (this.#part !== undefined) await this.#file.sync();
    this.#closed = true;
    await this.#file.close();
    if (this.#part !== undefined) await rename(this.#part, this.#path);
    process.removeListener('exit', this.#removePart);
    return `wrote ${this.#size} bytes to ${this.#path}`;
  }

  async abandon(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
    this.#removePart();
    process.removeListener('exit', this.#removePart);
  }
}

async function existing(path: string): Promise<Stats | undefined> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new Error('it is a folder');
    return found;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** As `git` and `grep` tell a binary file: a zero byte near its beginning. */
const SNIFFED_BYTES = 8_000;
const NEWLINE = 0x0a;

export class StreamOutput implements ResultOutput {
  readonly #stream: Writable & { readonly isTTY?: boolean };
  readonly #reporter: Reporter;
  /** On a terminal, the beginning of a line that is not whole yet: the tree below it must not break it. */
  #line: Buffer = Buffer.alloc(0);
  #size = 0;
  #binary: boolean | undefined;

  constructor(stream: Writable, reporter: Reporter) {
    this.#stream = stream;
    this.#reporter = reporter;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (this.#stream.isTTY !== true) {
      await this.#put(bytes);
      return;
    }
    this.#binary ??= bytes.subarray(0, SNIFFED_BYTES).includes(0);
    if (this.#binary) return;
    const text = Buffer.concat([this.#line, bytes]);
    const end = text.lastIndexOf(NEWLINE) + 1;
    this.#line = text.subarray(end);
    if (end > 0) await this.#put(text.subarray(0, end));
  }

  value(value: unknown): Promise<void> {
    return this.#put(Buffer.from(asText(value)));
  }

  async finish(): Promise<string | undefined> {
    if (this.#line.length > 0) await this.#put(Buffer.concat([this.#line, Buffer.of(NEWLINE)]));
    return this.#binary === true
      ? `${this.#size} bytes that are not text: keep them with --out FILE`
      : undefined;
  }

  async abandon(): Promise<void> {
    await this.finish();
  }

  async #put(bytes: Uint8Array): Promise<void> {
    if (!this.#reporter.around(() => this.#stream.write(bytes))) await once(this.#stream, 'drain');
  }
}

/** For `--json`, where the chunks themselves are on stdout: the result is checked and let go. */
export const NO_OUTPUT: ResultOutput = {
  write: () => Promise.resolve(),
  value: () => Promise.resolve(),
  finish: () => Promise.resolve(undefined),
  abandon: () => Promise.resolve(),
};
