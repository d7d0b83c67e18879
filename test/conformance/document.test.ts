/** CONFORMANCE.md is what the requirements and the scenarios say. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { conformanceDocument } from '../../.ci/conformance-document.mjs';

it('CONFORMANCE.md is up to date: npm run docs', async () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'CONFORMANCE.md'), 'utf8');
  expect(await conformanceDocument()).toBe(text);
});
