import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readKeyring, type Keyring } from '../../../src/fleet/secrets/keyring.js';
import { SecretResolver, type SecretOptions } from '../../../src/fleet/secrets/resolve.js';
import { Redactor, Secret } from '../../../src/fleet/secrets/secret.js';
import { ArcpError } from '../../../src/protocol/errors.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-secrets-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const VALUE = 'hunter2-hunter2';
const empty: Keyring = () => Promise.resolve(undefined);

function resolver(parts: Partial<SecretOptions> = {}): SecretResolver {
  return new SecretResolver({
    allowed: 'all',
    env: {},
    folder,
    keyring: empty,
    redactor: new Redactor(),
    ...parts,
  });
}

function put(name: string, text = VALUE, mode = 0o600): void {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
}

async function refusal(work: Promise<unknown>): Promise<ArcpError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ArcpError)) throw new Error(`expected an ArcpError, not ${String(error)}`);
  expect(error.message).not.toContain(VALUE);
  return error;
}

describe('a secret', () => {
  it('is looked for in the environment, the keyring and the files, in this order (S2)', async () => {
    put('A', 'from-file\n');
    const keyring: Keyring = () => Promise.resolve('from-keyring');
    expect((await resolver().resolve({ key: 'A' })).reveal()).toBe('from-file');
    expect((await resolver({ keyring }).resolve({ key: 'A' })).reveal()).toBe('from-keyring');
    const both = resolver({ keyring, env: { A: 'from-env' } });
    expect((await both.resolve({ key: 'A' })).reveal()).toBe('from-env');
    expect((await both.resolve({ key: 'A', source: 'file' })).reveal()).toBe('from-file');
    expect((await both.resolve({ key: 'A', source: 'keyring' })).reveal()).toBe('from-keyring');
  });

  it('that is empty is none', async () => {
    put('A');
    expect((await resolver({ env: { A: '' } }).resolve({ key: 'A' })).reveal()).toBe(VALUE);
  });

  it('is looked for only where the policy allows it (S1)', async () => {
    const allowed = [{ key: 'A' }, { key: 'B', source: 'env' }];
    const some = resolver({ allowed, env: { A: VALUE, B: VALUE, C: VALUE } });
    expect((await some.resolve({ key: 'A', source: 'env' })).reveal()).toBe(VALUE);
    expect((await some.resolve({ key: 'B', source: 'env' })).reveal()).toBe(VALUE);
    for (const ref of [{ key: 'B' }, { key: 'B', source: 'file' }, { key: 'C' }]) {
      expect((await refusal(some.resolve(ref))).code).toBe('PERMISSION_DENIED');
    }
    expect((await refusal(resolver({ allowed: [], env: { A: VALUE } }).resolve({ key: 'A' }))).code).toBe(
      'PERMISSION_DENIED',
    );
  });

  it('that is nowhere is told by its name, with what went wrong on the way', async () => {
    const error = await refusal(
      resolver({ keyring: () => Promise.reject(new Error('the keyring is locked')) }).resolve({ key: 'A' }),
    );
    expect(error.code).toBe('NOT_FOUND');
    expect(error.message).toBe(
      'the secret <secret:A> is not in env, keyring, file (keyring: the keyring is locked)',
    );
    expect((await refusal(resolver().resolve({ key: 'A', source: 'vault' }))).code).toBe('INVALID_ARGUMENT');
    expect((await refusal(resolver().resolve({ key: '../A', source: 'file' }))).code).toBe(
      'INVALID_ARGUMENT',
    );
    expect((await refusal(resolver({ env: {} }).resolve({ key: 'constructor', source: 'env' }))).code).toBe(
      'NOT_FOUND',
    );
  });
});

describe('a secret file', () => {
  it.skipIf(process.platform === 'win32').each([0o640, 0o604, 0o620, 0o644])(
    'with mode %o is refused, since others can read it',
    async (mode) => {
      put('A', VALUE, mode);
      const error = await refusal(resolver().resolve({ key: 'A' }));
      expect(error).toMatchObject({ code: 'FAILED_PRECONDITION' });
      expect(error.message).toContain('can be read by others');
    },
  );

  it('that is a link, a folder or too large is refused', async () => {
    put('real');
    symlinkSync(join(folder, 'real'), join(folder, 'link'));
    mkdirSync(join(folder, 'dir'));
    put('big', 'x'.repeat(70_000));
    for (const [key, why] of [
      ['link', 'is a link'],
      ['dir', 'is no file'],
      ['big', 'is larger than 65536 bytes'],
    ] as const) {
      expect((await refusal(resolver().resolve({ key, source: 'file' }))).message).toContain(why);
    }
  });

  it.skipIf(process.platform === 'win32')('in a folder in which others can write is refused', async () => {
    put('A');
    chmodSync(folder, 0o777);
    expect((await refusal(resolver().resolve({ key: 'A' }))).code).toBe('FAILED_PRECONDITION');
  });

  it('keeps all but the newline at its end', async () => {
    put('A', ' two\nlines \r\n');
    expect((await resolver().resolve({ key: 'A' })).reveal()).toBe(' two\nlines ');
  });
});

describe('the system’s keyring', () => {
  it('is asked through its library, and has nothing of a name that nobody keeps there, or says that it cannot be asked', async () => {
    const answer = await readKeyring(`no-such-secret-${String(process.pid)}`).catch(
      (error: unknown) => error,
    );
    expect(answer === undefined || answer instanceof Error).toBe(true);
  });
});

describe('the value of a secret', () => {
  const secret = new Secret({ key: 'A', source: 'env' }, VALUE);

  it('is shown by nothing that prints it (K1)', () => {
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true, depth: 9 }),
      Object.values(secret).join(),
    ];
    for (const text of shown) expect(text).not.toContain(VALUE);
    expect(String(secret)).toBe('<secret:env.A>');
    expect(secret.reveal()).toBe(VALUE);
  });

  it('is taken out of every text, in every form in which it travels (K2)', () => {
    const values = fc.string({ minLength: 4, maxLength: 40, unit: 'grapheme' });
    fc.assert(
      fc.property(values, fc.string(), fc.string(), (value, before, after) => {
        const redactor = new Redactor();
        redactor.add(new Secret({ key: '' }, value));
        const bytes = Buffer.from(value);
        for (const form of [value, JSON.stringify(value), bytes.toString('base64'), bytes.toString('hex')]) {
          const left = redactor.redact(`${before}${form}${after}`);
          if (!before.includes(value) && !after.includes(value) && !'<secret:>'.includes(value)) {
            expect(left).toContain('<secret:>');
          }
        }
      }),
    );
    const redactor = new Redactor();
    redactor.add(secret);
    redactor.add(new Secret({ key: 'LONG' }, `${VALUE}-and-more`));
    expect(redactor.redact(`a ${VALUE}-and-more b ${VALUE} c`)).toBe('a <secret:LONG> b <secret:env.A> c');
  });
});
