import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  clientToken,
  newSecret,
  parseToken,
  readTokenFile,
  removeTokenFile,
  statePath,
  writeTokenFile,
} from '../../src/cli/tokens.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-tokens-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function fileWith(text: string, mode = 0o600): string {
  const path = join(folder, 'tokens');
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

describe('a token', () => {
  it.each([
    ['s3cret=ada', 's3cret', 'ada'],
    ['s3cret', 's3cret', 'default'],
    ['YWJj==', 'YWJj==', 'default'],
    ['YWJj===ada', 'YWJj==', 'ada'],
  ])('%s is divided at its last "=" where a principal follows', (text, secret, principal) => {
    expect(parseToken(text)).toEqual({ secret, principal });
  });

  it.each(['', '=ada', '='])('without a secret (%j), as an unset variable leaves it, is refused', (text) => {
    expect(() => parseToken(text)).toThrow('a token has no secret');
  });

  it('comes back as it was written, for every secret and every principal without "="', () => {
    const principals = fc.string({ minLength: 1 }).filter((text) => !text.includes('='));
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), principals, (secret, principal) => {
        expect(parseToken(`${secret}=${principal}`)).toEqual({ secret, principal });
      }),
    );
  });

  it('is new each time and has 256 random bits', () => {
    const secrets = new Set(Array.from({ length: 100 }, newSecret));
    expect(secrets.size).toBe(100);
    for (const secret of secrets) expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
  });
});

describe('a token file', () => {
  it('has a token on each line that is neither empty nor a comment', () => {
    const path = fileWith('# who may come in\n\nabc=ada\r\n  def=grace  \nghi\n');
    expect(readTokenFile(path)).toEqual([
      { secret: 'abc', principal: 'ada' },
      { secret: 'def', principal: 'grace' },
      { secret: 'ghi', principal: 'default' },
    ]);
  });

  it.each([0o640, 0o604, 0o660, 0o644])('with mode %o is refused, since others can read it (K1)', (mode) => {
    const path = fileWith('abc=ada\n', mode);
    expect(() => readTokenFile(path)).toThrow('can be read by others');
  });

  it('that is empty, or not there, is refused', () => {
    const path = fileWith('# nothing yet\n');
    expect(() => readTokenFile(path)).toThrow('no token in it');
    expect(() => readTokenFile(join(folder, 'nowhere'))).toThrow('cannot be read');
  });

  it('that serve writes is private, in a private folder, and can be read back', () => {
    const path = join(folder, 'state', 'arcp', 'token-7777');
    writeTokenFile(path, 'abc');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'state', 'arcp')).mode & 0o077).toBe(0);
    expect(readTokenFile(path)).toEqual([{ secret: 'abc', principal: 'default' }]);
  });

  it('that serve writes replaces one that others could read', () => {
    const path = fileWith('old\n', 0o644);
    writeTokenFile(path, 'new');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toBe('new\n');
  });

  it('is removed when it is still the same, and left alone when another runtime has written its own', () => {
    const path = join(folder, 'token-1');
    writeTokenFile(path, 'mine');
    writeTokenFile(path, 'theirs');
    removeTokenFile(path, 'mine');
    expect(existsSync(path)).toBe(true);
    removeTokenFile(path, 'theirs');
    expect(existsSync(path)).toBe(false);
  });
});

describe('the token of a client command', () => {
  it('is the option, else the first of the file, else ARCP_TOKEN, else none', () => {
    const tokenFile = fileWith('abc=ada\ndef\n');
    const env = { ARCP_TOKEN: 'fromEnv' };
    expect(clientToken({ token: 'given', tokenFile }, env)).toBe('given');
    expect(clientToken({ tokenFile }, env)).toBe('abc');
    expect(clientToken({}, env)).toBe('fromEnv');
    expect(clientToken({}, { ARCP_TOKEN: '' })).toBeUndefined();
  });
});

describe('where a made token is kept', () => {
  it('is the state folder of the user', () => {
    expect(statePath(7777, { XDG_STATE_HOME: '/state' })).toBe(join('/state', 'arcp', 'token-7777'));
    expect(statePath(7777, {})).toMatch(/[\\/]\.local[\\/]state[\\/]arcp[\\/]token-7777$/);
  });
});
