/** Finds and reads a config file: JSON with places, or a module's default export. */
import { existsSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { valueOf, type Located, type SyntaxFault } from '../../documents/located.js';
import { readBounded } from '../../documents/read-bounded.js';
import { readJson } from '../../documents/read-json.js';
import { nestsDeeperThan } from '../../protocol/nesting.js';
import { importFile } from '../agent-modules.js';
import { EXIT } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { checkConfig, type CheckedConfig } from './check.js';

const NAMES = ['arcp.config.json', 'arcp.config.js', 'arcp.config.mjs'];

const MAX_BYTES = 1_048_576;
const MAX_NESTING = 64;

/** The config file of a folder, if it has one. @throws Failure (usage) where it has several. */
export function findConfig(folder: string): string | undefined {
  const [found, other] = NAMES.map((name) => join(folder, name)).filter((path) => existsSync(path));
  if (other === undefined) return found;
  throw new Failure(
    EXIT.usage,
    `there are ${found} and ${other}`,
    'keep one of them, or name it with --config',
  );
}

/** @throws Failure (usage) where it cannot be read at all. */
export async function loadConfig(path: string, env: NodeJS.ProcessEnv): Promise<CheckedConfig> {
  const folder = dirname(resolve(path));
  if (extname(path) === '.json') {
    const reading = await readText(path);
    if ('faults' in reading) {
      const problems = reading.faults.map(
        ({ at, message }) => ({ severity: 'error', ...at, path: '', message }) as const,
      );
      return { config: undefined, problems };
    }
    return checkConfig({ value: valueOf(reading.root, MAX_NESTING), root: reading.root, folder }, env);
  }
  if (!['.js', '.mjs'].includes(extname(path)))
    throw new Failure(EXIT.usage, `${path} is no config file`, 'expected .json, .js or .mjs');
  const { default: value } = await importFile(path);
  return checkConfig({ value: await value, root: undefined, folder }, env);
}

type Reading = { readonly root: Located } | { readonly faults: readonly SyntaxFault[] };

async function readText(path: string): Promise<Reading> {
  const fault = (message: string): Reading => ({ faults: [{ at: { line: 1, column: 1 }, message }] });
  let bytes: Buffer;
  try {
    bytes = await readBounded(path, MAX_BYTES);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.usage, `the config file cannot be read: ${reason}`, 'check the path', error);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return fault('not UTF-8');
  }
  if (nestsDeeperThan(text, MAX_NESTING)) return fault('nested too deeply');
  const reading = readJson(text);
  return reading.ok ? { root: reading.root } : { faults: reading.faults };
}
