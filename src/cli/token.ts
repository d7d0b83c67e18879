/**
 * `arcp token list | add | revoke`: who may come in, by a file of tokens. A running `arcp serve --token-file` follows it.
 *
 * (T1) The file is replaced whole, and stays readable by its owner alone; comments and other lines stay as they are.
 * (T2) One change at a time: the unfinished file is the lock.
 * (T3) A secret is shown once, by the command that made it. Elsewhere a token is named by a part of its hash.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { editTokenFile, newSecret, parseTokenLine, readTokens, tokenId } from './tokens.js';

interface TokenOptions {
  readonly tokenFile: string;
  readonly json?: true;
}

interface RevokeOptions extends TokenOptions {
  readonly id?: string;
}

export function addToken(program: Command): void {
  const token = program.command('token').description('say who may come in, in a file of tokens');
  const withFile = (command: Command): Command =>
    command
      .requiredOption('--token-file <file>', 'the private file that arcp serve was given')
      .option('--json', 'print a JSON line for each token');
  withFile(token.command('list').description('list the tokens, without their secrets')).action(list);
  withFile(
    token
      .command('add')
      .description('make a token and print its secret, once')
      .argument('<principal>', 'whom it stands for', parsePrincipal),
  ).action(add);
  withFile(
    token
      .command('revoke')
      .description('take the tokens of a principal back; its sessions end')
      .argument('<principal>', 'whom they stand for', parsePrincipal)
      .option(
        '--id <id>',
        'only this one; where others are left, sessions have a minute to show one of them',
      ),
  ).action(revoke);
}

function parsePrincipal(text: string): string {
  if (/^[^\s=#][^=\r\n]*$/.test(text) && text.trim() === text) return text;
  throw new InvalidArgumentError('expected a name without "=" and "#"');
}

function list({ tokenFile, json }: TokenOptions): void {
  for (const { secret, principal } of readTokens(tokenFile)) tell({ id: tokenId(secret), principal }, json);
}

function add(principal: string, { tokenFile, json }: TokenOptions): void {
  const secret = newSecret();
  editTokenFile(tokenFile, (lines) => [...lines, `${secret}=${principal}`]);
  const id = tokenId(secret);
  if (json === true) process.stdout.write(`${JSON.stringify({ id, principal, secret })}\n`);
  else {
    process.stderr.write(`token ${id} of ${principal}; it is not shown again:\n`);
    process.stdout.write(`${secret}\n`);
  }
}

function revoke(principal: string, { tokenFile, json, id }: RevokeOptions): void {
  const revoked: { id: string; principal: string }[] = [];
  editTokenFile(tokenFile, (lines) => {
    const kept = lines.filter((line) => {
      const token = parseTokenLine(line);
      if (token?.principal !== principal) return true;
      if (id !== undefined && tokenId(token.secret) !== id) return true;
      revoked.push({ id: tokenId(token.secret), principal });
      return false;
    });
    if (revoked.length > 0) return kept;
    throw new Failure(
      EXIT.failed,
      `${tokenFile} has no such token of ${principal}`,
      `see what it has: arcp token list --token-file ${tokenFile}`,
    );
  });
  for (const one of revoked) tell(one, json);
}

function tell(token: Readonly<Record<'id' | 'principal', string>>, json: true | undefined): void {
  process.stdout.write(json === true ? `${JSON.stringify(token)}\n` : `${token.id}  ${token.principal}\n`);
}
