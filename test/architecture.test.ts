/** The arrows of the source tree: which room may import which, and that nothing goes in circles. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../src');

/** Rooms, and whom they may import beside themselves. `.` is the composition at the top of `src`. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  transport: ['protocol'],
  store: ['protocol'],
  agents: ['protocol', 'transport'],
  runtime: ['protocol', 'store', 'agents', 'transport'],
  provisioners: ['protocol', 'runtime'],
  dialects: ['protocol', 'store', 'transport', 'runtime'],
  client: ['protocol', 'transport'],
  host: ['protocol', 'agents', 'client', 'transport'],
  handoff: ['protocol', 'runtime', 'client'],
  conformance: ['protocol', 'agents', 'client', 'runtime'],
  documents: ['protocol'],
  fleet: ['protocol', 'documents', 'store', 'agents', 'runtime', 'client'],
  /** What the SDK of MCP needs is loaded where it is used. */
  mcp: ['protocol', 'agents', 'runtime', 'client'],
  '.': [
    'protocol',
    'store',
    'agents',
    'transport',
    'runtime',
    'dialects',
    'provisioners',
    'handoff',
    'fleet',
  ],
  testing: ['protocol', 'transport', 'runtime', 'client', '.'],
  cli: [
    'protocol',
    'documents',
    'store',
    'agents',
    'transport',
    'runtime',
    'client',
    'host',
    'conformance',
    'fleet',
    'mcp',
    '.',
  ],
};

/** Single files at the top of `src` that import nothing of ours and that every room may use. */
const LEAVES: readonly string[] = ['clock.ts', 'version.ts'];

/** The engine and the fleet know ports, not what stands behind them. */
const PORTS_ONLY: Readonly<Record<string, readonly string[]>> = {
  runtime: ['transport/transport.ts', 'store/store.ts'],
  fleet: ['store/store.ts'],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

const STATEMENT =
  /^(?:import|export)\s+(type\s)?[^;'"]*?from '([^']+)';|^import '([^']+)';|import\('([^']+)'\)/gm;

const imports: Import[] = sourceFiles(SRC).flatMap((path) => {
  const from = relative(SRC, path);
  return [...readFileSync(path, 'utf8').matchAll(STATEMENT)].map((match) => {
    const specifier = match[2] ?? match[3] ?? match[4] ?? '';
    const to = specifier.startsWith('.')
      ? normalize(join(dirname(from), specifier)).replace(/\.js$/, '.ts')
      : specifier;
    return { from, to, typeOnly: match[1] !== undefined };
  });
});

function roomOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : '.';
}

const internal = imports.filter(({ to }) => to.endsWith('.ts'));

describe('the source tree', () => {
  it('has no room without a rule', () => {
    const rooms = new Set(sourceFiles(SRC).map((path) => roomOf(relative(SRC, path))));
    expect([...rooms].sort()).toEqual(Object.keys(ROOMS).sort());
  });

  it('imports only along the arrows', () => {
    const wrong = internal.filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)];
      return here !== there && ROOMS[here]?.includes(there) !== true && !LEAVES.includes(to);
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('has leaves that import nothing', () => {
    expect(imports.filter(({ from }) => LEAVES.includes(from))).toEqual([]);
  });

  it('keeps the engine behind its ports', () => {
    const wrong = internal.filter(({ from, to }) => {
      const ports = PORTS_ONLY[roomOf(from)];
      return ports !== undefined && ['transport', 'store'].includes(roomOf(to)) && !ports.includes(to);
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('has no circles', () => {
    const next = new Map<string, string[]>();
    for (const { from, to, typeOnly } of internal) {
      if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
    }
    const done = new Set<string>();
    const circleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
      if (done.has(file)) return undefined;
      for (const to of next.get(file) ?? []) {
        const circle = circleFrom(to, [...path, file]);
        if (circle !== undefined) return circle;
      }
      done.add(file);
      return undefined;
    };
    for (const file of next.keys()) expect(circleFrom(file, [])).toBeUndefined();
  });
});
