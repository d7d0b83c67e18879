/** What a worker is handed in front of its first frame, however the bytes are cut. */
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { encodeHandover, readHandover } from '../../../src/fleet/hosts/handover.js';
import { Redactor, Secret } from '../../../src/fleet/secrets/secret.js';

const given = { run: 'job_1', token: 'of-the-worker', secrets: { KEY: 'näive\nsecret' }, env: { LANG: 'C' } };

describe('a handover', () => {
  it.each([1, 3, 1_000])(
    'is read whole in pieces of %i bytes, and what follows is left (V2)',
    async (size) => {
      const stdin = new PassThrough();
      const bytes = Buffer.from(`${encodeHandover(given)}{"first":"frame"}\n`);
      const read = readHandover(stdin);
      for (let at = 0; at < bytes.length; at += size) stdin.write(bytes.subarray(at, at + size));
      expect(await read).toEqual(given);
      stdin.end();
      let rest = '';
      for await (const piece of stdin) rest += String(piece);
      expect(rest).toBe('{"first":"frame"}\n');
    },
  );

  it.each([
    ['that is no JSON', 'a-secret-that-was-typed\n', /not what a fleet hands over/],
    ['that is something else', '{"secrets":"a-secret-that-was-typed"}\n', /not what a fleet hands over/],
    ['that does not end', 'a-secret-that-was-typed', /stdin ended/],
  ])('%s is refused without a word of what it was', async (_what, text, message) => {
    const stdin = new PassThrough();
    stdin.end(text);
    const refused = expect(readHandover(stdin)).rejects;
    await refused.toThrow(message);
    await refused.not.toThrow(/a-secret/);
  });

  it('is bounded (L7)', async () => {
    const stdin = new PassThrough({ highWaterMark: 4_194_304 });
    stdin.write(Buffer.alloc(2_097_152, 0x20));
    await expect(readHandover(stdin)).rejects.toThrow(/longer than 1048576 bytes/);
  });
});

describe('bytes that hold a secret', () => {
  it('lose it in every form, and nothing else', () => {
    const redactor = new Redactor();
    const value = 'näive-secret';
    redactor.add(new Secret({ key: 'KEY' }, value));
    const noise = Buffer.from([0xff, 0x00, 0xc3, 0x28]);
    const forms = [value, Buffer.from(value).toString('base64'), Buffer.from(value).toString('hex')];
    for (const form of forms) {
      const shown = redactor.redactBytes(Buffer.concat([noise, Buffer.from(form), noise]));
      expect(Buffer.from(shown)).toEqual(Buffer.concat([noise, Buffer.from('<secret:KEY>'), noise]));
    }
    expect(redactor.redactBytes(noise)).toBe(noise);
  });
});
