/** Alerts over TLS: a real https receiver, whose certificate counts only where its authority is named. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Alert } from '../../../src/fleet/alerts/alert.js';
import type { Delivery } from '../../../src/fleet/alerts/post.js';
import { sendAlert } from '../../../src/fleet/alerts/send.js';
import { verifySignature } from '../../../src/fleet/alerts/signature.js';
import { Secret } from '../../../src/fleet/secrets/secret.js';
import { readFleet } from '../../../src/protocol/fleet/index.js';

const KEY = 'signing-key-of-the-test';
const NOW = Date.UTC(2026, 5, 12, 17);
const alert: Alert = {
  id: 'alert_1',
  class: 'run_completed',
  run_id: 'run-1',
  run_name: 'nightly',
  task_id: undefined,
  worker_id: undefined,
  attempt: 0,
  at: '2026-06-12T17:00:00.000Z',
  summary: 'run nightly is completed',
};

let folder: string;
let server: Server;
let ca: string;
const verified: boolean[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...made, ...names], { stdio: 'ignore' });
  ca = readFileSync(cert, 'utf8');
  server = createServer({ key: readFileSync(key), cert: ca }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (bytes: Buffer) => parts.push(bytes));
    request.on('end', () => {
      const isOurs = verifySignature(KEY, request.headers, Buffer.concat(parts).toString(), NOW / 1_000);
      verified.push(isOurs);
      response.writeHead(isOurs ? 204 : 401).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

function send(key: string, authority: string | undefined): Promise<Delivery> {
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return sendAlert(alert, readFleet('alert_channel', { kind: 'webhook', url, secret_ref: 'KEY' }), {
    allowedPrivateHosts: new Set(),
    resolveSecret: (ref) => Promise.resolve(new Secret(ref, key)),
    now: () => NOW,
    ca: authority,
  });
}

it('an alert reaches a receiver whose authority is named, and its signature holds there', async () => {
  expect(await send(KEY, ca)).toEqual({ kind: 'delivered' });
  expect(await send('another-key', ca)).toMatchObject({ kind: 'refused' });
  expect(verified).toEqual([true, false]);
});

it('nothing is sent to a receiver whose certificate nobody vouches for', async () => {
  const before = verified.length;
  expect(await send(KEY, undefined)).toMatchObject({ kind: 'failed' });
  expect(verified).toHaveLength(before);
});
