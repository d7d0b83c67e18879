/** What `arcp serve` says of itself: on stdout what happens to the listener, on stderr what its operator should know. */
import type { Server } from '../../index.js';
import type { ServeSettings } from './settings.js';

export function announce(
  server: Server,
  fingerprint: string,
  tokenFile: string | undefined,
  settings: ServeSettings,
): void {
  const file = tokenFile === undefined ? '' : ` --token-file ${quoted(tokenFile)}`;
  tell(
    settings,
    { event: 'listening', url: server.url, fingerprint },
    `listening on ${server.url}\n  arcp agents --url ${server.url}${file}${keptIn(settings)}
  it is ${fingerprint}: clients make sure with --fingerprint`,
  );
  if (tokenFile !== undefined && settings.json) {
    process.stdout.write(`${JSON.stringify({ event: 'token', file: tokenFile })}\n`);
  }
}

/** Where to look for what survives, for people. */
function keptIn({ store, data }: ServeSettings): string {
  return store === 'sqlite' ? `\n  sessions and jobs are kept in ${data}` : '';
}

export function warn(settings: ServeSettings, agents: number): void {
  const { host, tokens, anonymous } = settings;
  const warnings = [
    ...(tokens.length === 0
      ? []
      : ['a token on the command line can be seen by others; use --token-file or ARCP_TOKEN']),
    ...(agents === 0 && settings.hosts.length === 0
      ? ['no agents are hosted; name some with --agents MODULE, --agent or --conformance']
      : []),
    ...(settings.fleet && anonymous
      ? ['anybody who can reach the port may run commands here: --fleet with --anonymous']
      : []),
    ...(isLoopback(host)
      ? []
      : [
          anonymous
            ? `anybody who can reach ${host} may run the agents hosted here`
            : `${host} is not a loopback address: tokens travel in the clear unless TLS is put in front`,
        ]),
  ];
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}

export function tell({ json }: ServeSettings, event: Readonly<Record<string, unknown>>, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(event)}\n` : `${text}\n`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
