// Writes CONFORMANCE.md: what the language asks of a runtime, and which scenario shows whether one does it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';
import { loadClientSuite } from '../dist/conformance/clients/load.js';
import { loadSuite } from '../dist/conformance/scenarios/load.js';
import { STANDING_REQUIREMENTS } from '../dist/conformance/run/standing-rules.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FILE = join(ROOT, 'CONFORMANCE.md');

const DIALECTS = { classic: 'Classic', draft: 'Draft-1.1', both: 'Both dialects', client: 'Clients' };
const LEVELS = { must: 'must', should: 'should', choice: 'ours' };

/** @returns {Promise<string>} */
export async function conformanceDocument() {
  const { requirements, scenarios } = loadSuite();
  const { cases } = loadClientSuite();
  /** @type {Map<string, string[]>} */
  const shownBy = new Map();
  for (const { id, requirements: cited } of [...scenarios, ...cases])
    for (const requirement of cited) shownBy.set(requirement, [...(shownBy.get(requirement) ?? []), id]);
  for (const requirement of STANDING_REQUIREMENTS)
    shownBy.set(requirement, ['every frame', ...(shownBy.get(requirement) ?? [])]);
  const all = [...requirements.values()];
  const sections = Object.entries(DIALECTS).map(([dialect, title]) => {
    const rows = all
      .filter(({ asks, dialect: about }) => (asks === 'client' ? 'client' : about) === dialect)
      .map(({ id, shows, source, level }) => [
        code(id),
        LEVELS[level],
        `${escaped(shows)} (${escaped(source)})`,
        (shownBy.get(id) ?? []).map((one) => (one === 'every frame' ? one : code(one))).join(', '),
      ]);
    const head = ['id', 'level', 'what is asked (source)', 'shown by'];
    const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
    return `## ${title}\n\n${lines.join('\n')}`;
  });
  const text = `# What the language asks, and what shows it

${all.length} requirements and ${scenarios.length} scenarios: \`arcp conformance URL\` plays them against any runtime that hosts the agents of
\`spec-fixtures/agents.json\`, and names the requirement that a failure breaks. \`must\` and \`should\` are the words of the source; \`ours\` is what this project chose
where it leaves a choice, and counts only with \`--strict\`. \`every frame\` means that each frame of every scenario is checked for it.

The last table is what is asked of clients: ${cases.length} cases of \`spec-fixtures/client-cases/\`, which \`arcp conformance --client\` plays.

This page is made from \`spec-fixtures/requirements.json\` \`spec-fixtures/scenarios/\` and \`client-cases/\` by \`npm run docs\`.

${sections.join('\n\n')}
`;
  const options = (await prettier.resolveConfig(FILE)) ?? {};
  return prettier.format(text, { ...options, filepath: FILE });
}

/** @param {string} text */
function code(text) {
  return `\`${text}\``;
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll('|', '\\|');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, await conformanceDocument());
