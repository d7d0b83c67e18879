/** The README's examples compile, against the package as it is published. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { virtualProgram } from '../.ci/virtual-program.mjs';

const ROOT = join(import.meta.dirname, '..');

interface Example {
  readonly name: string;
  readonly code: string;
}

const EXAMPLE = /<!-- example: (\S+) -->\s*```ts\n([\s\S]*?)```/g;

function examplesIn(file: string): Example[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(EXAMPLE)].map(([, name = '', code = '']) => ({ name, code }));
}

/** What the compiler says of one example, with the project's own settings. */
function complaints({ name, code }: Example): string[] {
  const path = join(ROOT, 'test', `readme-example-${name}.ts`);
  const program = virtualProgram(ROOT, path, code);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('README.md', () => {
  const examples = examplesIn('README.md');

  it('has its examples', () => {
    expect(examples.map(({ name }) => name)).toEqual([
      'host',
      'invoke',
      'agent',
      'elsewhere',
      'guarded',
      'asking',
      'fleet',
      'testing',
    ]);
  });

  it.each(examples)('has an example that compiles: $name', (example) => {
    expect(complaints(example)).toEqual([]);
  });
});
