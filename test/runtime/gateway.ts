/** A gateway of virtual keys as LiteLLM's key management has it, small and real: it listens, and it remembers. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { liteLlm, type CredentialProvisioner } from '../../src/index.js';

export const MASTER_KEY = 'sk-master-for-this-test-only';

interface Key {
  readonly alias: string;
  readonly request: Readonly<Record<string, unknown>>;
  /** As it came, digit for digit. */
  readonly text: string;
}

export class Gateway {
  /** By secret. */
  readonly keys = new Map<string, Key>();
  readonly revoked: string[] = [];
  /** What it was asked for, in order. */
  readonly generated: Key['request'][] = [];
  /** Requests of these paths are answered with this status, as often as is said. */
  readonly failures = new Map<string, { status: number; times: number }>();
  readonly #server: Server;
  readonly #waiting: (() => void)[] = [];
  #issued = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
    });
  }

  static async start(): Promise<Gateway> {
    const gateway = new Gateway();
    gateway.#server.listen(0, '127.0.0.1');
    await once(gateway.#server, 'listening');
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get credentials(): CredentialProvisioner {
    return liteLlm({ url: this.url, masterKey: MASTER_KEY });
  }

  /** Resolves when it has no keys. */
  async emptied(): Promise<void> {
    if (this.keys.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const path = request.url ?? '';
    const failure = this.failures.get(path);
    if (failure !== undefined && failure.times > 0) {
      failure.times -= 1;
      return { status: failure.status, body: { error: `no: ${text}` } };
    }
    if (request.headers.authorization !== `Bearer ${MASTER_KEY}`) return { status: 401, body: {} };
    const body = JSON.parse(text) as { key_alias?: string; key_aliases?: string[] };
    if (path === '/key/generate') return this.#generate(body, text);
    if (path !== '/key/delete') return { status: 404, body: {} };
    const gone = [...this.keys].filter(([, { alias }]) => body.key_aliases?.includes(alias));
    for (const [secret] of gone) {
      this.keys.delete(secret);
      this.revoked.push(secret);
    }
    if (this.keys.size === 0) for (const wake of this.#waiting.splice(0)) wake();
    return gone.length === 0
      ? { status: 404, body: {} }
      : { status: 200, body: { deleted_keys: gone.length } };
  }

  #generate(body: { key_alias?: string }, text: string): { status: number; body: unknown } {
    const { key_alias: alias = '' } = body;
    if ([...this.keys.values()].some((key) => key.alias === alias)) return { status: 400, body: {} };
    const key = `sk-virtual-${(this.#issued += 1)}-${crypto.randomUUID()}`;
    this.keys.set(key, { alias, request: body, text });
    this.generated.push({ ...body });
    return { status: 200, body: { key, key_alias: alias } };
  }
}
