/** A small repository in a temporary folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Folder extends Disposable {
  readonly path: string;
}

export function folderOf(files: Readonly<Record<string, string | Uint8Array>>): Folder {
  const path = mkdtempSync(join(tmpdir(), 'arcp-example-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** `count` one-line files below `folder`. */
export function manyFiles(folder: string, count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`${folder}/${index}.ts`, 'export {};\n']),
  );
}
