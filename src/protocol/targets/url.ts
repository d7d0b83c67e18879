/**
 * Addresses: `scheme://host[:port]/path`. Scheme and host are lower case, the host without trailing dots and, where it
 * has others than ASCII letters, in its ASCII form; a scheme's own port is left out; the query and the fragment do not
 * count.
 *
 * (U1) A path has every reading that some server may give it: as it is written, and with its encoded slashes,
 *      backslashes and percent signs decoded, once and again, and the dots then resolved. Who asks for a target needs
 *      each of its readings to be covered, so that `/public/..%2fsecret` needs both.
 * (U2) Characters that mean the same encoded or not are decoded where RFC 3986 §2.3 says so, and encoded else.
 */
import { ProgramWriter, type Program } from '../pattern-program.js';
import {
  checkTarget,
  DEEP,
  malformed,
  MAX_TARGET_LENGTH,
  writeDeep,
  writeSegment,
  writeSegments,
} from './segments.js';

/** Times that a path may be encoded over itself; more is refused. */
const MAX_ENCODINGS = 4;

const SCHEME_PORTS: ReadonlyMap<string, string> = new Map([
  ['http', '80'],
  ['ws', '80'],
  ['https', '443'],
  ['wss', '443'],
  ['ftp', '21'],
]);

const UNRESERVED = /[A-Za-z0-9._~-]/;
/** What stands in a path for itself. A `*` is encoded, since it is a wildcard in patterns. */
const PLAIN = /[A-Za-z0-9._~!$&'()+,;=:@/-]/;
const ESCAPE = /^%[0-9A-Fa-f]{2}/;

/** All readings of an address (U1), the plain one first. Throws INVALID_ARGUMENT. */
export function canonicalUrls(target: string): readonly [string, ...string[]] {
  checkTarget(target);
  const url = parseUrl(target);
  const scheme = url.protocol.slice(0, -1);
  const authority = canonicalAuthority(scheme, url.hostname, url.port);
  const written = normalPath(url.pathname.replaceAll('\\', '%5C'));
  if (written.length > MAX_TARGET_LENGTH)
    malformed(`expected an address of at most ${MAX_TARGET_LENGTH} characters`);
  const readings: [string, ...string[]] = [`${scheme}://${authority}${written}`];
  for (let path = written; ;) {
    const decoded = decodedOnce(path);
    if (decoded === path) return readings;
    if (readings.length > MAX_ENCODINGS)
      malformed(`the path is encoded over itself more than ${MAX_ENCODINGS} times`);
    path = decoded;
    readings.push(`${scheme}://${authority}${path}`);
  }
}

function parseUrl(target: string): URL {
  let url: URL;
  try {
    url = new URL(target);
  } catch {
    malformed('expected an address: scheme://host/path');
  }
  if (url.hostname === '') malformed('expected an address with a host');
  if (url.username !== '' || url.password !== '') malformed('an address must not carry credentials');
  return url;
}

function canonicalAuthority(scheme: string, host: string, port: string): string {
  let end = host.length;
  while (host[end - 1] === '.') end -= 1;
  if (end === 0) malformed('expected an address with a host');
  const name = host.slice(0, end).toLowerCase();
  return port === '' || port === SCHEME_PORTS.get(scheme) ? name : `${name}:${port}`;
}

function normalPath(path: string): string {
  return withoutDots(encodedAlike(path));
}

/** Characters that need no encoding decoded, the rest encoded, in upper case (U2). */
function encodedAlike(path: string): string {
  let text = '';
  for (let at = 0; at < path.length;) {
    const escape = ESCAPE.exec(path.slice(at, at + 3))?.[0];
    if (escape !== undefined) {
      const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
      text += UNRESERVED.test(character) ? character : escape.toUpperCase();
      at += 3;
      continue;
    }
    const character = String.fromCodePoint(path.codePointAt(at) ?? 0);
    text += PLAIN.test(character) ? character : percentEncoded(character);
    at += character.length;
  }
  return text;
}

function percentEncoded(character: string): string {
  return [...new TextEncoder().encode(character)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** Empty segments stay: they are not the same to every server. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const isDots = segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    if (!isDots) kept.push(segment);
    else if (index === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}

function decodedOnce(path: string): string {
  return normalPath(path.replace(/%(2F|5C|25)/g, (_, code: string) => (code === '25' ? '%' : '/')));
}

const ADDRESS = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/]*)(\/.*)?$/s;
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]*)(?::(\*|[0-9]{1,5}))?$/;

/**
 * `https://*.example.com/api/**`: host by labels, path by segments; `:*` is any port. Without a path it is `/` alone.
 * Throws INVALID_ARGUMENT.
 */
export function urlPattern(pattern: string): Program {
  const writer = new ProgramWriter();
  if (pattern === DEEP) return writer.run('').done();
  const [, scheme, authority = '', path = '/'] = ADDRESS.exec(pattern) ?? [];
  if (scheme === undefined) malformed('expected scheme://host/path, or ** for every address');
  if (/[?#\\]/.test(pattern)) malformed('a pattern has no query, no fragment and no backslash');
  const [, host, port] = AUTHORITY.exec(authority) ?? [];
  if (host === undefined || host === '') malformed('expected a host, and a port where there is one');
  writer.chars(`${scheme.toLowerCase()}://`);
  writeHost(writer, scheme.toLowerCase(), host);
  if (port === '*') writer.optional((inner) => inner.chars(':').run('/'));
  else if (port !== undefined && Number(port) !== Number(SCHEME_PORTS.get(scheme.toLowerCase()) ?? -1))
    writer.chars(`:${Number(port)}`);
  writePath(writer, path);
  return writer.done();
}

function writeHost(writer: ProgramWriter, scheme: string, host: string): void {
  if (!host.includes('*')) {
    writer.chars(canonicalAuthority(scheme, parseUrl(`${scheme}://${host}`).hostname, ''));
    return;
  }
  if (!/^[A-Za-z0-9._*-]+$/.test(host)) malformed('a host with wildcards has ASCII letters, digits, - and _');
  let end = host.length;
  while (host[end - 1] === '.') end -= 1;
  if (host.slice(0, end) === DEEP) {
    // The brackets of an IPv6 address have colons between them.
    writer.optional((inner) => inner.chars('[').run('/]').chars(']')).run('/:[');
    return;
  }
  writeSegments(writer, host.slice(0, end).toLowerCase(), '.', '/:[');
}

function writePath(writer: ProgramWriter, path: string): void {
  for (const segment of path.slice(1).split('/')) {
    if (segment === DEEP) {
      writeDeep(writer, '/');
      continue;
    }
    if (isDots(segment)) malformed('. and .. are not taken in a pattern');
    writeSegment(writer.chars('/'), segment, '/', encodedAlike);
  }
}

function isDots(segment: string): boolean {
  return /^(\.|%2e){1,2}$/i.test(segment);
}
