/** `arcp agents`: what a runtime advertises. */
import type { Command } from 'commander';
import type { InventoryEntry } from '../protocol/index.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { printable, widthOf } from './text.js';

interface AgentsOptions extends ConnectionOptions {
  readonly json?: true;
}

export function addAgents(program: Command): void {
  const command = program
    .command('agents')
    .description('list the agents that a runtime hosts')
    .option('--json', 'print one agent a line, as it is advertised');
  withConnectionOptions(command).action(async (options: AgentsOptions) => {
    const client = await connectTo(options);
    const agents = client.agents();
    await client.close();
    if (options.json === true) {
      for (const agent of agents) process.stdout.write(`${JSON.stringify(agent)}\n`);
    } else if (agents.length === 0) {
      process.stderr.write('it hosts none; give it some with `arcp serve --agents MODULE`\n');
    } else {
      process.stdout.write(agentTable(agents));
    }
  });
}

/** A line for each agent: its name, then its versions with the default one marked. */
export function agentTable(agents: readonly InventoryEntry[]): string {
  const rows = agents.map(
    ({ name, versions, default: chosen }) =>
      [
        printable(name),
        versions
          .map((version) => `${printable(version)}${version === chosen ? ' (default)' : ''}`)
          .join(', '),
      ] as const,
  );
  const width = Math.max(...rows.map(([name]) => widthOf(name)));
  return rows
    .map(([name, versions]) => `${name}${' '.repeat(width - widthOf(name))}  ${versions}\n`)
    .join('');
}
