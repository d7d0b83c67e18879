/**
 * Blobs as files of one folder: `<name>.part` while they are written, `<name>` once they are whole.
 *
 * (G1) A file is open only while a piece of it is written or read, and at most `MAX_OPEN` are: nothing is left to close,
 *      and the rest waits its turn.
 * (G2) With `sync`, the data of a piece and the folder's entry for it are on disk before `write` resolves.
 */
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcpError } from '../protocol/errors.js';
import type { Blobs, StoredBlob } from './blobs.js';

export interface BlobFolderOptions {
  /** Makes the folder where it is not there yet, private to the user. Called before the first piece is written. */
  readonly make: () => Promise<string>;
  /** Where it is, if it is there. */
  readonly existing: () => string | undefined;
  /** Whether what was written survives a loss of power. */
  readonly sync: boolean;
}

const PART = '.part';
const MAX_OPEN = 8;
const PRIVATE = 0o600;
/** Windows cannot open a folder to sync it, and keeps its entries by itself. */
const SYNCS_FOLDERS = process.platform !== 'win32';

export class BlobFolder implements Blobs {
  readonly #options: BlobFolderOptions;
  #open = 0;
  #waiting: (() => void)[] = [];

  constructor(options: BlobFolderOptions) {
    this.#options = options;
  }

  write(name: string, at: number, bytes: Uint8Array, isLast: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const { sync } = this.#options;
      const folder = await this.#options.make();
      const whole = pathOf(folder, name);
      const part = `${whole}${PART}`;
      await writePiece(at === 0 ? await create(part) : await reopen(part, whole), at, bytes, sync);
      if (isLast) await rename(part, whole);
      if (sync && (isLast || at === 0)) await syncFolder(folder);
    });
  }

  read(name: string, at: number, length: number): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const folder = this.#options.existing();
      if (folder === undefined) throw missing();
      const path = pathOf(folder, name);
      await using file = await openEither(path, `${path}${PART}`);
      const bytes = Buffer.allocUnsafeSlow(length);
      for (let read = 0; read < length;) {
        const { bytesRead } = await file.read(bytes, read, length - read, at + read);
        if (bytesRead === 0) throw missing();
        read += bytesRead;
      }
      return bytes;
    });
  }

  remove(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const folder = this.#options.existing();
      if (folder === undefined) return;
      const path = pathOf(folder, name);
      await rm(path, { force: true });
      await rm(`${path}${PART}`, { force: true });
    });
  }

  async list(): Promise<readonly StoredBlob[]> {
    const folder = this.#options.existing();
    if (folder === undefined) return [];
    const files = await readdir(folder).catch((error: unknown) => {
      if (isAbsent(error)) return [];
      throw error;
    });
    const found = await Promise.all(
      files.map((file) =>
        this.#inTurn(async () => {
          const { size } = await stat(join(folder, file));
          return { name: file.endsWith(PART) ? file.slice(0, -PART.length) : file, size };
        }),
      ),
    );
    return found.filter(({ name }) => isName(name));
  }

  /** (G1) */
  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#open >= MAX_OPEN) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#open += 1;
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#open -= 1;
      else next();
    }
  }
}

/** A name is a file name: nothing in it may lead elsewhere, and nothing may look like a part. */
const NAME = /^[\w-]{1,200}$/;

function isName(name: string): boolean {
  return NAME.test(name);
}

function pathOf(folder: string, name: string): string {
  if (!isName(name)) throw new ArcpError('INVALID_ARGUMENT', 'that is no name for a blob');
  return join(folder, name);
}

function create(part: string): Promise<FileHandle> {
  return open(part, 'w', PRIVATE);
}

/** Where the last piece was written but never made known, the blob is whole already: it is a part again. */
async function reopen(part: string, whole: string): Promise<FileHandle> {
  try {
    return await open(part, 'r+');
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  try {
    await rename(whole, part);
    return await open(part, 'r+');
  } catch (error) {
    throw isAbsent(error) ? missing() : error;
  }
}

async function openEither(whole: string, part: string): Promise<FileHandle> {
  for (const path of [whole, part]) {
    try {
      return await open(path, 'r');
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  throw missing();
}

/** Takes the file over and closes it. */
async function writePiece(opened: FileHandle, at: number, bytes: Uint8Array, sync: boolean): Promise<void> {
  await using file = opened;
  const size = at === 0 ? 0 : (await file.stat()).size;
  if (size < at) throw missing();
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, at + written);
    written += bytesWritten;
  }
  if (size > at + bytes.length) await file.truncate(at + bytes.length);
  if (sync) await file.datasync();
}

/** Has the folder's entries on disk. */
export async function syncFolder(path: string): Promise<void> {
  if (!SYNCS_FOLDERS) return;
  await using folder = await open(path, 'r');
  await folder.sync();
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function missing(): ArcpError {
  return new ArcpError('DATA_LOSS', 'what was put there is no longer kept');
}
