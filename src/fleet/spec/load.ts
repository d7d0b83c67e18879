/** Reads and checks a task-spec file. Its ending says what it is: `.toml`, `.yaml` or `.yml`; anything else is JSON. */
import { basename, extname } from 'node:path';
import { readBounded } from '../../documents/read-bounded.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { checkSpec, type Checked, type SpecFormat } from './check.js';

/** @throws Error where the file cannot be read at all. */
export async function loadSpec(path: string): Promise<Checked> {
  const bytes = await readBounded(path, DEFAULT_FLEET_LIMITS.maxSpecBytes);
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
