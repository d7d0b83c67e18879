/** Reads and checks a task-spec file. Its ending says what it is: `.toml`, `.yaml` or `.yml`; anything else is JSON. */
import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { checkSpec, type Checked, type SpecFormat } from './check.js';

/** @throws Error where the file cannot be read at all. */
export async function loadSpec(path: string): Promise<Checked> {
  const bytes = await readBounded(path);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const problem = { severity: 'error', line: 1, column: 1, path: '', message: 'not UTF-8' } as const;
    return { spec: undefined, problems: [problem] };
  }
  return checkSpec(text, formatOf(path), basename(path, extname(path)));
}

export function formatOf(path: string): SpecFormat {
  switch (extname(path).toLowerCase()) {
    case '.toml':
      return 'toml';
    case '.yaml':
    case '.yml':
      return 'yaml';
    default:
      return 'json';
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { maxSpecBytes } = DEFAULT_FLEET_LIMITS;
    if (!(await file.stat()).isFile()) throw new Error(`${path} is no file`);
    // One byte more than allowed: what is there counts, not what the file system says.
    const bytes = Buffer.alloc(Math.min((await file.stat()).size, maxSpecBytes) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === bytes.length) break;
    }
    if (length > maxSpecBytes) throw new Error(`${path} is larger than ${maxSpecBytes} bytes`);
    if (length === bytes.length) throw new Error(`${path} grows while it is read`);
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}
