/** PROTOCOL.md says what the tables say, and something of its own about every message. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MESSAGE_TYPES } from '../src/protocol/messages.js';
import { upToDate } from '../.ci/protocol-document.mjs';

const text = readFileSync(join(import.meta.dirname, '..', 'PROTOCOL.md'), 'utf8');

/** What is written by hand below the generated part of a message's section. */
function proseOf(type: string): string | undefined {
  const [, section] = text.split(`<!-- message: ${type} -->`);
  const [, prose] = section?.split('<!-- /message -->') ?? [];
  return prose?.split(/^#|<!--/m)[0]?.trim();
}

describe('PROTOCOL.md', () => {
  it('is up to date: npm run docs', async () => {
    expect(await upToDate(text)).toBe(text);
  }, 30_000);

  it.each(MESSAGE_TYPES)('has something to say about %s', (type) => {
    expect(proseOf(type)).toMatch(/\w{2,}[\s\S]*\.$/);
  });

  it('has one section for each message', () => {
    const sections = [...text.matchAll(/^### `([a-z_.]+)`$/gm)].map(([, type]) => type);
    expect(sections.toSorted()).toEqual(MESSAGE_TYPES.toSorted());
  });
});
