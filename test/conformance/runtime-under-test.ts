/** A runtime of ours as another process, with two principals, and the tokens that the harness plays with. */
import { readFileSync } from 'node:fs';
import type { Target } from '../../src/conformance/index.js';
import { serve, type Arcp } from '../cli/arcp.js';

export interface UnderTest extends AsyncDisposable {
  readonly target: Target;
}

const TOKENS = { a: 'conformance-token-of-a', b: 'conformance-token-of-b' };

/** @param timeoutMs of one step */
export async function runtimeUnderTest(timeoutMs = 20_000): Promise<UnderTest> {
  const tokens = Object.entries(TOKENS).flatMap(([principal, secret]) => [
    '--token',
    `${secret}=${principal}`,
  ]);
  const serving = await serve(['--conformance', '--log-level', 'error', ...tokens]);
  return {
    target: { url: serving.url, tokens: TOKENS, timeoutMs },
    [Symbol.asyncDispose]: () => stop(serving.arcp),
  };
}

async function stop(arcp: Arcp): Promise<void> {
  arcp.signal('SIGKILL');
  await arcp.ended();
}

/** Scenario → why it fails at ours. */
export function knownFailures(): ReadonlyMap<string, string> {
  const text = readFileSync(new URL('known-failures.json', import.meta.url), 'utf8');
  return new Map(Object.entries(JSON.parse(text) as Record<string, string>));
}
