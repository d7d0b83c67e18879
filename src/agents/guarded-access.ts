/** What a job may touch through its context: files, models and programs. Every act is checked against its lease and profile. */

/** Rejections have wire codes: NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, …, and the system's error as their cause. */
export interface GuardedFiles {
  /** `maxBytes`: default 64 MiB; a larger file rejects with RESOURCE_EXHAUSTED. */
  readFile(path: string, options?: { readonly maxBytes?: number }): Promise<Uint8Array>;
  /** The same for UTF-8. */
  readText(path: string, options?: { readonly maxBytes?: number }): Promise<string>;
  /** Replaces the file, or appends to it. `exclusive`: rejects where there is one. */
  writeFile(
    path: string,
    data: string | Uint8Array,
    options?: { readonly append?: boolean; readonly exclusive?: boolean },
  ): Promise<void>;
  /** By name. At most 100,000 entries. */
  readdir(path: string): Promise<FileEntry[]>;
  /** Of what a link leads to. */
  stat(path: string): Promise<FileInfo>;
  mkdir(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
  /** Removes a file, a link, an empty folder, or with `recursive` a tree. */
  rm(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
}

export interface FileEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
}

export interface FileInfo {
  readonly kind: FileEntry['kind'];
  /** Bytes. */
  readonly size: number;
  /** RFC 3339. */
  readonly modifiedAt: string;
}

export interface ModelChoice {
  readonly model: string;
  readonly provider: string | null;
}

export interface ShellOptions {
  /** Default: that of the process. */
  readonly cwd?: string;
  /** Default 60,000; then it is stopped, and the call rejects with DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number;
  /** Of each output; default 1 MiB; beyond, it is stopped, and the call rejects with RESOURCE_EXHAUSTED. */
  readonly maxOutputBytes?: number;
  /** Beside PATH, HOME, LANG, LC_ALL, TZ and TMPDIR, which it has from this process. Not where the shell is read-only. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ShellResult {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}
