/**
 * A secret's value, wrapped so that it shows itself to nobody by accident, and the remover of values from texts.
 *
 * (K1) Whatever prints a `Secret` — a template, JSON, `console.log`, an error's properties — shows its reference.
 * (K2) `Redactor` takes every known value out of a text, also in the forms in which it travels: base64, URL-encoded, JSON.
 */
import { inspect } from 'node:util';
import { redactedSecretRef, type FleetSecretRef } from '../../protocol/fleet/index.js';

export class Secret {
  readonly ref: FleetSecretRef;
  readonly #value: string;

  constructor(ref: FleetSecretRef, value: string) {
    this.ref = ref;
    this.#value = value;
  }

  /** The value, for the moment of its use: a pipe or an environment of a child, a header, a signature. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return redactedSecretRef(this.ref);
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** Values shorter than this are not looked for: they would hit half of all texts. */
const MIN_LENGTH = 4;

export class Redactor {
  readonly #forms = new Map<string, string>();
  /** Longest first, so that a value that contains another goes whole. */
  #order: readonly string[] = [];

  /** Takes the secret's value out of every text from now on. */
  add(secret: Secret): Secret {
    for (const form of formsOf(secret.reveal())) {
      if (form.length >= MIN_LENGTH) this.#forms.set(form, secret.toString());
    }
    this.#order = [...this.#forms.keys()].sort((a, b) => b.length - a.length);
    return secret;
  }

  redact(text: string): string {
    let shown = text;
    for (const form of this.#order) {
      if (shown.includes(form)) shown = shown.replaceAll(form, () => this.#forms.get(form) ?? '');
    }
    return shown;
  }

  /** The same for bytes that may be anything: what is not a secret stays as it is. */
  redactBytes(bytes: Uint8Array): Uint8Array {
    if (this.#order.length === 0) return bytes;
    // One character a byte, there and back.
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    let shown = text;
    for (const form of this.#order) {
      const found = Buffer.from(form).toString('latin1');
      if (shown.includes(found)) shown = shown.replaceAll(found, () => this.#forms.get(form) ?? '');
    }
    return shown === text ? bytes : Buffer.from(shown, 'latin1');
  }
}

function formsOf(value: string): Set<string> {
  const bytes = Buffer.from(value);
  return new Set([
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value.toWellFormed()),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ]);
}
