import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { CLIENT_LIMITS, clientLimits, DEFAULT_CLIENT_LIMITS } from '../../src/client/index.js';

const STATIC_IMPORT = /^(?:import|export)\s(?!type\b)(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]/gm;

/** Every module that `entry` loads before it runs, and what it loads from packages. */
async function staticImports(entry: URL): Promise<{ files: string[]; packages: Set<string> }> {
  const files = new Set([entry.href]);
  const packages = new Set<string>();
  for (const file of files) {
    const source = await readFile(new URL(file), 'utf8');
    for (const [, specifier = ''] of source.matchAll(STATIC_IMPORT)) {
      if (specifier.startsWith('.')) files.add(new URL(specifier.replace(/\.js$/, '.ts'), file).href);
      else packages.add(specifier);
    }
  }
  return { files: [...files], packages };
}

describe('the client as a package', () => {
  it('loads nothing that a browser lacks: no node module, no ws', async () => {
    const { files, packages } = await staticImports(new URL('../../src/client/index.ts', import.meta.url));
    expect([...packages].sort()).toEqual([
      '@noble/hashes/sha2.js',
      '@noble/hashes/utils.js',
      'nanoid',
      'zod',
    ]);
    expect(files.some((file) => file.endsWith('/protocol/envelope.ts'))).toBe(true);
    expect(files.some((file) => file.endsWith('/transport/websocket-client.ts'))).toBe(true);
  });

  it('loads nothing of the runtime, the store or the agents', async () => {
    const { files } = await staticImports(new URL('../../src/client/index.ts', import.meta.url));
    const rooms = new Set(files.map((file) => /\/src\/([a-z]+)\b/.exec(file)?.[1]));
    expect([...rooms].sort()).toEqual(['client', 'clock', 'protocol', 'transport', 'version']);
  });

  it('gives each limit a positive default, and refuses what is none (law L7)', () => {
    expect(Object.keys(DEFAULT_CLIENT_LIMITS)).toEqual(Object.keys(CLIENT_LIMITS));
    expect(clientLimits({ maxSends: 1 })).toEqual({ ...DEFAULT_CLIENT_LIMITS, maxSends: 1 });
    expect(() => clientLimits({ maxSends: -1 })).toThrow(RangeError);
    expect(() => clientLimits({ maxSends: Number.NaN })).toThrow(RangeError);
    expect(() => clientLimits({ unknown: 1 } as never)).toThrow(RangeError);
  });
});
