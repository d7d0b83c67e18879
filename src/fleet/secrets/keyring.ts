/** The system's keyring: Keychain, Credential Manager, Secret Service, or the kernel's keys. Loaded when it is first asked. */
import type * as Library from '@napi-rs/keyring';
import { ArcpError } from '../../protocol/errors.js';

/** Looks a secret up; `undefined` where there is none. */
export type Keyring = (key: string) => Promise<string | undefined>;

/** The service under which secrets are kept, e.g. `secret-tool store --label=x service arcp-fleet username KEY`. */
export const KEYRING_SERVICE = 'arcp-fleet';

/** A keyring that waits for somebody to unlock it is none here. */
const PATIENCE_MS = 10_000;

export const readKeyring: Keyring = async (key) => {
  const { AsyncEntry } = await load();
  const entry = new AsyncEntry(KEYRING_SERVICE, key);
  return (await entry.getPassword(AbortSignal.timeout(PATIENCE_MS))) ?? undefined;
};

async function load(): Promise<typeof Library> {
  try {
    return await import('@napi-rs/keyring');
  } catch (error) {
    throw new ArcpError('UNIMPLEMENTED', 'this system has no keyring that can be used', {
      cause: error,
    });
  }
}
