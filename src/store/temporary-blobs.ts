/** The blobs of a store that forgets: files of a temporary folder that only its user can enter, and that goes at exit. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArcpError } from '../protocol/errors.js';
import { BlobFolder } from './blob-folder.js';

export class TemporaryBlobs extends BlobFolder {
  readonly #folder: TemporaryFolder;

  constructor() {
    const folder = new TemporaryFolder();
    super({ make: () => folder.make(), existing: () => folder.path, sync: false });
    this.#folder = folder;
  }

  close(): void {
    this.#folder.remove();
  }
}

/** Folders that are still there when the process ends: one listener for all of them. */
const present = new Set<string>();

function removeAll(): void {
  for (const path of present) rmSync(path, { recursive: true, force: true });
}

/** Made when it is first needed: most runtimes in memory never see an artifact. */
class TemporaryFolder {
  path: string | undefined;
  #making: Promise<string> | undefined;
  #removed = false;

  make(): Promise<string> {
    if (this.#removed) return Promise.reject(new ArcpError('UNAVAILABLE', 'the store is closed'));
    return (this.#making ??= this.#make());
  }

  async #make(): Promise<string> {
    try {
      this.path = await mkdtemp(join(tmpdir(), 'arcp-artifacts-'));
    } catch (error) {
      this.#making = undefined;
      throw error;
    }
    if (present.size === 0) process.once('exit', removeAll);
    present.add(this.path);
    if (this.#removed) this.remove();
    return this.path;
  }

  remove(): void {
    this.#removed = true;
    if (this.path === undefined) return;
    rmSync(this.path, { recursive: true, force: true });
    present.delete(this.path);
    if (present.size === 0) process.removeListener('exit', removeAll);
  }
}
