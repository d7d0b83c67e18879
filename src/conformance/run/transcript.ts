/**
 * What went over the wires of one scenario, for whoever has to find out why it failed.
 *
 * (T1) No secret stands in it: tokens, resume tokens and credentials are replaced before anything is kept.
 * (T2) It is bounded (L7): the latest lines, each cut.
 */
/** Lines that are kept; the oldest go first. */
const MAX_LINES = 120;
/** UTF-16 units of one line. */
const MAX_LINE = 1_500;

const HIDDEN = '‹hidden›';

export type Direction = '→' | '←' | '·';

export class Transcript {
  readonly #lines: string[] = [];
  readonly #secrets: readonly string[];
  readonly #began: number;
  readonly #now: () => number;
  #dropped = 0;

  /** @param secrets what must not stand in it, wherever it comes from */
  constructor(secrets: readonly string[], now: () => number) {
    this.#secrets = secrets.filter((secret) => secret !== '');
    this.#now = now;
    this.#began = now();
  }

  frame(direction: '→' | '←', connection: string, text: string): void {
    this.#add(direction, connection, cut(this.#redacted(text)));
  }

  note(connection: string, text: string): void {
    this.#add('·', connection, cut(this.#redacted(text)));
  }

  #add(direction: Direction, connection: string, text: string): void {
    const ms = String(this.#now() - this.#began).padStart(5);
    this.#lines.push(`${ms} ms  ${connection} ${direction} ${text}`);
    if (this.#lines.length <= MAX_LINES) return;
    this.#lines.shift();
    this.#dropped += 1;
  }

  /** (T1) */
  #redacted(text: string): string {
    const hidden = withoutSecretFields(text);
    return this.#secrets.reduce((all, secret) => all.replaceAll(secret, HIDDEN), hidden);
  }

  lines(): string[] {
    return this.#dropped === 0 ? [...this.#lines] : [`… ${this.#dropped} lines before …`, ...this.#lines];
  }
}

/** Fields that hold a secret wherever they stand, and the values of credentials. Linear, however deep the frame nests. */
const SECRET_FIELD = /"(token|resume_token|response|challenge)"(\s*:\s*)"(?:[^"\\]|\\.)*"/g;
const VALUE_FIELD = /"(value)"(\s*:\s*)"(?:[^"\\]|\\.)*"/g;

function withoutSecretFields(text: string): string {
  const hidden = text.replaceAll(SECRET_FIELD, `"$1"$2"${HIDDEN}"`);
  return hidden.includes('"credentials"') ? hidden.replaceAll(VALUE_FIELD, `"$1"$2"${HIDDEN}"`) : hidden;
}

function cut(text: string): string {
  return text.length <= MAX_LINE ? text : `${text.slice(0, MAX_LINE)}… (${text.length} characters)`;
}
