// Brings the generated parts of PROTOCOL.md up to date: what the tables of the built package say, between markers.
//   node .ci/protocol-document.mjs           writes them
//   node .ci/protocol-document.mjs --check   only says whether they are up to date, by its exit code
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';
import { payloadInterfaces } from './payload-interfaces.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILE = join(ROOT, 'PROTOCOL.md');

const { ERRORS, JOB_TRANSITIONS, MESSAGES } = await import('../dist/protocol/index.js');
const { LIMITS } = await import('../dist/runtime/limits.js');

/** @typedef {{ direction: string; countable: boolean; handshake: boolean; answers: readonly string[]; extension?: string }} Rule */

/** @type {ReadonlyMap<string, Rule>} */
const RULES = new Map(Object.entries(MESSAGES));

const SENDERS = { client: 'client → runtime', runtime: 'runtime → client', both: 'both ways' };
const MARKED = /<!-- (message|table|shape): (\S+) -->[\s\S]*?<!-- \/\1 -->/g;

/** @returns {Promise<string>} the document as it should be */
export async function upToDate(/** @type {string} */ text) {
  const { payloads, shapes } = payloadInterfaces(ROOT);
  /** @type {Record<string, (name: string) => string>} */
  const parts = {
    message: (name) => messagePart(name, payloads.get(name)),
    table: (name) => {
      const table = TABLES[name];
      if (table === undefined) throw new Error(`PROTOCOL.md: there is no table named ${name}`);
      return table();
    },
    shape: (name) => block(shapes.get(name), name),
  };
  const fresh = text.replace(MARKED, (_whole, /** @type {string} */ kind, /** @type {string} */ name) => {
    const part = parts[kind]?.(name) ?? '';
    return `<!-- ${kind}: ${name} -->\n\n${part}\n\n<!-- /${kind} -->`;
  });
  const options = (await prettier.resolveConfig(FILE)) ?? {};
  return prettier.format(fresh, { ...options, filepath: FILE });
}

/** @param {string} name @param {string | undefined} code */
function messagePart(name, code) {
  const rule = RULES.get(name);
  if (rule === undefined) throw new Error(`PROTOCOL.md: there is no message named ${name}`);
  const facts = [
    SENDERS[/** @type {keyof typeof SENDERS} */ (rule.direction)],
    rule.countable ? 'numbered' : 'not numbered',
    ...(rule.handshake ? ['may come before the session is accepted'] : []),
    rule.answers.length === 0 ? 'not answered' : `answered by ${rule.answers.map(code_).join(', ')}`,
    ...(rule.extension === undefined ? [] : [`sent only to those who have ${code_(rule.extension)}`]),
  ];
  return `_${facts.join(' · ')}_\n\n${block(code, name)}`;
}

/** @param {string | undefined} code @param {string} name */
function block(code, name) {
  if (code === undefined) throw new Error(`PROTOCOL.md: there is no shape named ${name}`);
  return `\`\`\`ts\n${code}\n\`\`\``;
}

/** @param {string} text */
function code_(text) {
  return `\`${text}\``;
}

/** @type {Record<string, () => string>} */
const TABLES = {
  messages: () =>
    table(
      ['type', 'from', 'numbered', 'answered by'],
      [...RULES].map(([type, rule]) => [
        `[${code_(type)}](#${type.replaceAll(/[^a-z_]/g, '')})`,
        rule.direction,
        rule.countable ? 'yes' : '',
        rule.answers.map(code_).join(', '),
      ]),
    ),
  errors: () =>
    table(
      ['code', 'try again', 'meaning'],
      Object.entries(ERRORS).map(([code, { retryable, meaning }]) => [
        code_(code),
        retryable ? 'yes' : '',
        meaning,
      ]),
    ),
  states: () =>
    table(
      ['state', 'may become'],
      Object.entries(JOB_TRANSITIONS).map(([state, next]) => [
        code_(state),
        next.map(code_).join(', ') || 'nothing: it has ended',
      ]),
    ),
  limits: () =>
    table(
      ['limit', 'default', 'what it bounds'],
      Object.entries(LIMITS).map(([name, rule]) => [
        code_(name),
        `${rule.default.toLocaleString('en')} ${rule.unit}`,
        rule.meaning,
      ]),
    ),
};

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = readFileSync(FILE, 'utf8');
  const fresh = await upToDate(text);
  if (process.argv.includes('--check')) {
    if (fresh !== text) {
      process.stderr.write('PROTOCOL.md does not say what the tables say: run npm run docs\n');
      process.exitCode = 1;
    }
  } else writeFileSync(FILE, fresh);
}
