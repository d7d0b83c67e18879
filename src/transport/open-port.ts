/** Opens a server's port, or says in words why it cannot be opened. */
import type { AddressInfo, Server } from 'node:net';
import { ArcpError } from '../protocol/errors.js';

const REASONS = new Map([
  ['EADDRINUSE', 'the port is in use'],
  ['EACCES', 'this user may not open that port'],
  ['EADDRNOTAVAIL', 'no such address on this machine'],
  ['ENOTFOUND', 'no such host'],
]);

/** Port 0 picks a free one. `url` is one that a client on this machine can dial. Rejects with UNAVAILABLE. */
export function openPort(server: Server, host: string, port: number): Promise<{ url: string; port: number }> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const why = REASONS.get(error.code ?? '') ?? error.message;
      const message = `cannot listen on ${bracketed(host)}:${port}: ${why} (${error.code ?? error.name})`;
      reject(new ArcpError('UNAVAILABLE', message, { cause: error }));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      const bound = (server.address() as AddressInfo).port;
      resolve({ url: `ws://${dialable(host)}:${bound}`, port: bound });
    });
  });
}

/** A wildcard can be listened on, not dialled: the loopback address stands for it. */
function dialable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '[::1]' : bracketed(host);
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
