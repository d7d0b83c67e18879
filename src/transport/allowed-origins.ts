/**
 * Which web pages may connect (decision 24). Browsers let any page open a WebSocket to any address, a loopback port
 * included, and say where the page is from in `Origin`; programs send none.
 *
 * An origin is allowed by its exact name only. It is never compared with `Host`: a page whose own name was rebound
 * to our address would match that.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { ArcpError } from '../protocol/errors.js';

/** Origins as browsers send them, `scheme://host[:port]`, in lower case and without a default port. */
export function parseOrigins(origins: readonly string[]): ReadonlySet<string> {
  return new Set(origins.map(parseOrigin));
}

/** The origin that a handshake names, or undefined where no browser is involved. */
export function originOf(headers: IncomingHttpHeaders): string | undefined {
  // Version 8 of the handshake, which `ws` still takes, had a header name of its own.
  const origin = headers.origin ?? headers['sec-websocket-origin'];
  return origin?.toString().toLowerCase();
}

function parseOrigin(text: string): string {
  if (URL.canParse(text)) {
    const { protocol, host, href } = new URL(text);
    const origin = `${protocol}//${host}`;
    // Anything beyond scheme, host and port would never be in the header, so it is a mistake.
    if (host !== '' && (href === origin || href === `${origin}/`)) return origin.toLowerCase();
  }
  throw new ArcpError(
    'INVALID_ARGUMENT',
    `allowed origin ${JSON.stringify(text)} is not scheme://host[:port]`,
  );
}
