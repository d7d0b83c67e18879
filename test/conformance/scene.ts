/**
 * What a run of `spec-fixtures/agents.json` finds outside of the runtime: a folder of its own, an HTTP server, and a
 * gateway of virtual keys.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Gateway } from '../runtime/gateway.js';

export interface Outside {
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** The texts of files after the run. */
  readonly leaves?: Readonly<Record<string, string>>;
  readonly gateway?: {
    /** The keys that it is asked for, in their order; all of them are gone after the run. */
    readonly generated: readonly Readonly<Record<string, unknown>>[];
    /** Whether the client takes credentials. Default: it does. */
    readonly client_takes?: boolean;
  };
}

export interface Scene<Run> extends AsyncDisposable {
  /** The run, with what its placeholders stand for. */
  readonly run: Run;
  readonly gateway: Gateway | undefined;
  /** The file's text now. */
  read(name: string): string;
}

/** An HTTP server with `/ok`, and `/hop` that leads there. */
async function origin(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url === '/hop') response.writeHead(302, { location: '/ok' }).end();
    else response.writeHead(request.url === '/ok' ? 200 : 404).end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

export async function sceneOf<Run extends Outside>(asked: Run): Promise<Scene<Run>> {
  const text = JSON.stringify(asked);
  const folder = text.includes('$FOLDER')
    ? realpathSync(mkdtempSync(join(tmpdir(), 'arcp-run-')))
    : undefined;
  const server = text.includes('$ORIGIN') ? await origin() : undefined;
  const gateway = asked.gateway === undefined ? undefined : await Gateway.start();
  const filled = text
    .replaceAll('$FOLDER', folder ?? '')
    .replaceAll('$ORIGIN', server?.url ?? '')
    .replaceAll('$GATEWAY', gateway?.url ?? '');
  const run = JSON.parse(filled) as Run;
  const at = (name: string): string => {
    const path = join(folder ?? '', name);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  };
  for (const [name, content] of Object.entries(run.files ?? {})) writeFileSync(at(name), content);
  for (const [name, target] of Object.entries(run.links ?? {})) symlinkSync(target, at(name));
  return {
    run,
    gateway,
    read: (name) => readFileSync(at(name), 'utf8'),
    async [Symbol.asyncDispose]() {
      await server?.close();
      gateway?.close();
      if (folder !== undefined) rmSync(folder, { recursive: true });
    },
  };
}
