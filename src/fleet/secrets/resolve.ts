/**
 * Finds the values of secrets, just before they are used (fleet.rs `FleetSecretRef`).
 *
 * (S1) Only what the policy allows is looked for: an entry without a source allows a name from everywhere.
 * (S2) A reference without a source is looked for in the environment, the keyring and the files, in this order.
 * (S3) No error shows a value: it shows the reference, and why.
 */
import { ArcpError } from '../../protocol/errors.js';
import { redactedSecretRef, type FleetSecretRef } from '../../protocol/fleet/index.js';
import { readKeyring, type Keyring } from './keyring.js';
import { Secret, type Redactor } from './secret.js';
import { readSecretFile } from './secret-file.js';
import { secretKeyFault, sourcesOf, type SecretSource } from './sources.js';

export interface SecretOptions {
  /** The policy's `allowed_secrets`; `'all'` for what the operator's own configuration names. */
  readonly allowed: readonly FleetSecretRef[] | 'all';
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where secret files lie, one a secret, named by its key. */
  readonly folder: string;
  /** Default: the system's. */
  readonly keyring?: Keyring;
  /** Is told of every value that is found. */
  readonly redactor: Redactor;
}

export class SecretResolver {
  readonly #options: SecretOptions;

  constructor(options: SecretOptions) {
    this.#options = options;
  }

  /**
   * @throws ArcpError PERMISSION_DENIED where it is not allowed, NOT_FOUND where it is nowhere, FAILED_PRECONDITION where
   *   it is somewhere but not safe there, or cannot be looked for.
   */
  async resolve(ref: FleetSecretRef): Promise<Secret> {
    const shown = redactedSecretRef(ref);
    if (!this.#isAllowed(ref)) {
      throw new ArcpError('PERMISSION_DENIED', `the secret ${shown} is not one that the policy allows`);
    }
    const sources = secretKeyFault(ref) === undefined ? sourcesOf(ref) : [];
    if (sources.length === 0)
      throw new ArcpError('INVALID_ARGUMENT', `${shown} names no secret that there can be`);
    const troubles: string[] = [];
    for (const source of sources) {
      try {
        const value = await this.#look(source, ref.key);
        if (value !== undefined && value !== '') return this.#options.redactor.add(new Secret(ref, value));
      } catch (error) {
        // What is there and not safe is not passed over for another (S2 would hide it).
        if (error instanceof ArcpError && error.code === 'FAILED_PRECONDITION') throw error;
        troubles.push(`${source}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    const why = troubles.length === 0 ? '' : ` (${troubles.join('; ')})`;
    throw new ArcpError('NOT_FOUND', `the secret ${shown} is not in ${sources.join(', ')}${why}`);
  }

  #isAllowed({ key, source }: FleetSecretRef): boolean {
    const { allowed } = this.#options;
    if (allowed === 'all') return true;
    return allowed.some((each) => each.key === key && (each.source === undefined || each.source === source));
  }

  async #look(source: SecretSource, key: string): Promise<string | undefined> {
    switch (source) {
      case 'env':
        return Object.hasOwn(this.#options.env, key) ? this.#options.env[key] : undefined;
      case 'keyring':
        return await (this.#options.keyring ?? readKeyring)(key);
      case 'file':
        return await readSecretFile(this.#options.folder, key);
    }
  }
}
